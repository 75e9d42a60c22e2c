"""Advances: granted to employees, some handed back, modified or cancelled a month later; debts paid in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from pipeline.sample.columns import amount_text, as_day, day_number, numbered
from pipeline.sample.given import look_up
from pipeline.sample.group import HIRE
from pipeline.sample.reports import IN_STORIES, MONTHS

if TYPE_CHECKING:
    from pipeline.sample.group import Group

ADVANCES_A_MONTH = 24
_DEBTS_A_MONTH = 2
_EUROS = pl.Series([100, 150, 200, 250, 300, 400, 500, 800], dtype=pl.Int64)
#: an advance is a round amount: how many units of each currency are taken for a euro
_UNITS_A_EURO = {"EUR": 1, "CHF": 1, "TND": 3, "JPY": 160}

# What becomes of an advance a month later: a number below 100 falls into one of these.
_HANDED_BACK, _CANCELLED, _MODIFIED = (0, 19), (20, 25), (26, 31)


def advances(group: Group, month: int, batch: int) -> pl.DataFrame:
    """What a batch brings of a month's advances (both counted from 1): a row a version. Order: advance, version."""
    rows = _granted(group, month)
    nothing = pl.lit(None, dtype=pl.Date)
    if batch == month:
        versions = [rows.with_columns(version=1, status=pl.lit("active"), modified_on=nothing)]
        if month > 1:
            versions.append(_debts(group, month))
    elif batch == month + 1:
        versions = _a_month_later(group, rows, batch)
    else:
        return rows.clear()
    amount = amount_text(pl.col("minor"), pl.col("digits"))
    return pl.concat(versions, how="diagonal").with_columns(amount=amount).sort("advance", "version")


def _granted(group: Group, month: int) -> pl.DataFrame:
    """A row an advance granted."""
    draws, number = group.draws, pl.col("number")
    day = day_number(MONTHS[month - 1]) + 1 + draws.below(22, "advance day", number)
    is_regular = draws.chance(20, "regular", number)
    drawn = draws.below(10, "compensation", number)
    on_card = ~is_regular & (drawn == 0)
    euros = look_up(_EUROS, draws.below(_EUROS.len(), "advance", number))
    numbers = pl.select(number=pl.int_range(1, group.scale * ADVANCES_A_MONTH + 1, dtype=pl.Int64) * 4 + month)
    return _of_employees(group, numbers, day).with_columns(
        advance=numbered(f"A{MONTHS[month - 1]:%y%m}-", number // 4, 4),
        kind=pl.when(is_regular).then(pl.lit("regular")).otherwise(pl.lit("one_time")),
        movement=pl.lit("grant"),
        compensation=pl.when(on_card)
        .then(pl.lit("card"))
        .when(drawn < 4)  # noqa: PLR2004 - in ten
        .then(pl.lit("cash"))
        .otherwise(pl.lit("bank")),
        minor=euros * pl.col("units") * (10 ** pl.col("digits")).cast(pl.Int64),
        label=pl.when(on_card)
        .then(pl.lit("Usage privé de la carte"))
        .when(is_regular)
        .then(pl.lit("Avance permanente"))
        .otherwise(pl.lit("Avance sur frais")),
    )


def _of_employees(group: Group, numbers: pl.DataFrame, day: pl.Expr) -> pl.DataFrame:
    """Who has each advance, where and when; not those of whom the given rows tell."""
    drawn = group.draws.below(group.size, "advance to", pl.col("number"))
    kept = (*IN_STORIES, HIRE)
    spare = next(number for number in range(group.size) if number not in kept)
    codes, units = group.entities["legal_entity"], group.entities["currency"].replace_strict(_UNITS_A_EURO)
    currency = look_up(group.entities["currency_number"], pl.col("entity"))
    return (
        numbers.with_columns(
            employee_number=pl.when(drawn.is_in(kept)).then(spare).otherwise(drawn), occurred_on=as_day(day)
        )
        .with_columns(entity=group.entity_on(pl.col("employee_number"), pl.col("occurred_on")))
        .with_columns(
            employee=look_up(group.people["employee"], pl.col("employee_number")),
            legal_entity=look_up(codes, pl.col("entity")),
            digits=look_up(group.currencies["digits"], currency),
            units=look_up(units.cast(pl.Int64), pl.col("entity")),
        )
    )


def _a_month_later(group: Group, rows: pl.DataFrame, batch: int) -> list[pl.DataFrame]:
    """The halves handed back, as documents of their own, and the second versions of what was granted."""
    draws, number, nothing = group.draws, pl.col("number"), pl.lit(None, dtype=pl.Date)
    fate = draws.below(100, "advance fate", number)
    day = as_day(day_number(MONTHS[batch - 1]) + 2 + draws.below(18, "advance later", number))
    handed_back = rows.filter(fate.is_between(*_HANDED_BACK)).with_columns(
        advance=pl.col("advance") + "-R",
        version=1,
        status=pl.lit("active"),
        movement=pl.lit("reimbursement"),
        occurred_on=day,
        modified_on=nothing,
        minor=pl.col("minor") // 2,
        compensation=pl.when(pl.col("compensation") == "cash").then(pl.lit("cash")).otherwise(pl.lit("bank")),
        label=pl.lit("Avance rendue en partie"),
    )
    cancelled = rows.filter(fate.is_between(*_CANCELLED)).with_columns(
        version=2, status=pl.lit("cancelled"), modified_on=day
    )
    modified = rows.filter(fate.is_between(*_MODIFIED)).with_columns(
        version=2, status=pl.lit("active"), modified_on=day, minor=pl.col("minor") * 3 // 4
    )
    return [handed_back, cancelled, modified]


def _debts(group: Group, month: int) -> pl.DataFrame:
    """Money that employees pay in because they were paid too much."""
    draws, number = group.draws, pl.col("number")
    # Numbers beyond those of the grants: other draws for other documents.
    first = (1 << 28) + month
    numbers = pl.select(number=pl.int_range(1, group.scale * _DEBTS_A_MONTH + 1, dtype=pl.Int64) * 4 + first)
    day = day_number(MONTHS[month - 1]) + 1 + draws.below(22, "debt day", number)
    return _of_employees(group, numbers, day).with_columns(
        advance=numbered(f"T{MONTHS[month - 1]:%y%m}-", (number - first) // 4, 4),
        version=1,
        status=pl.lit("active"),
        kind=pl.lit("third_party"),
        movement=pl.lit("reimbursement"),
        modified_on=pl.lit(None, dtype=pl.Date),
        compensation=pl.lit("bank"),
        minor=(1250 + draws.below(6000, "debt", number))
        * pl.col("units")
        * (10 ** pl.col("digits")).cast(pl.Int64)
        // 100,
        label=pl.lit("Trop-perçu rendu"),
    )
