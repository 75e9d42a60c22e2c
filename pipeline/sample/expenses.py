"""The expenses of report versions: what for, for which legal entity, how paid, in which currency, how much."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from pipeline.sample.columns import amount_text, decimal_text
from pipeline.sample.given import choices, given, look_up
from pipeline.sample.reports import ABROAD, IN_STORIES, REFUND, REPORTS_A_MONTH

if TYPE_CHECKING:
    from pipeline.sample.group import Group

_TYPES = given("expense_types")["expense_type"].to_list()
#: what each kind of report is made of: twenty to draw one from, kind after kind
_MIX = 20
_MIXED = (
    given("mixes")
    .select(pl.col("expense_type").repeat_by(pl.col("weight").cast(pl.Int64)).explode(empty_as_null=True))[
        "expense_type"
    ]
    .replace_strict(_TYPES, list(range(len(_TYPES))), return_dtype=pl.Int64)
)
_BY_BANK = ("plane", "hotel", "conference", "subscription")
_IN_CASH = ("taxi", "parking", "supplies")
_GIVEN_BACK = ("train", "plane", "hotel", "supplies")
_KILOMETRE_E3 = 606  # euros a kilometre, in thousandths
#: beyond the smallest sample, one report in so many has an expense type that no chart knows
_SPOILT = 2000
_LABELS_EACH = 3


def _is_one_of(names: tuple[str, ...]) -> pl.Expr:
    return pl.col("type_number").is_in([_TYPES.index(name) for name in names])


def expense_lines(group: Group, versions: pl.DataFrame) -> pl.DataFrame:
    """The expenses of report versions.

    In:    versions, as report_versions makes them.
    Out:   a row an expense: the table's columns, and what VAT and allocations are made from: ordinal, entity_number,
           currency_number, gross_minor, digits, is_taxed, type_number.
    Order: report, version, expense.
    """
    steps = (_ordinals, _what_for, _for_whom, _in_which_currency, _how_much, _how_paid, _as_text)
    lines = versions
    for step in steps:
        lines = step(group, lines)
    return lines.sort("number", "version", "ordinal")


def _ordinals(group: Group, versions: pl.DataFrame) -> pl.DataFrame:
    """One row an expense; a changed report may have one less."""
    is_dropped = (pl.col("revision") > 0) & (group.draws.below(3, "dropped", pl.col("number")) == 0)
    count = pl.col("expense_count") - (is_dropped & (pl.col("expense_count") > 2)).cast(pl.Int64)  # noqa: PLR2004
    return versions.with_columns(ordinal=pl.int_ranges(1, count + 1)).explode("ordinal")


def _what_for(group: Group, lines: pl.DataFrame) -> pl.DataFrame:
    draws, key = group.draws, (pl.col("number"), pl.col("ordinal"))
    drawn = pl.col("kind") * _MIX + draws.below(_MIX, "type", *key)
    # A trip takes four days at most; the rest is gathered over a month.
    of_trip = 1 + draws.below(20, "trip", pl.col("number")) + draws.below(4, "day of trip", *key)
    of_month = 1 + draws.below(24, "day", *key)
    days_before = pl.when(pl.col("kind") <= ABROAD).then(of_trip).otherwise(of_month)
    return lines.with_columns(
        type_number=look_up(_MIXED, drawn), incurred_on=pl.col("declared_on") - pl.duration(days=days_before)
    )


def _for_whom(group: Group, lines: pl.DataFrame) -> pl.DataFrame:
    """The legal entity: the employee's of that day; of some reports the second expense is for another one."""
    draws, employee = group.draws, pl.col("employee_number")
    also_for = look_up(group.people["also_for"], employee)
    is_for_another = (
        (also_for >= 0) & (pl.col("ordinal") == 2) & draws.chance(4, "for another", pl.col("number"))  # noqa: PLR2004
    )
    is_named = draws.chance(3, "is named", pl.col("number"), pl.col("ordinal"))
    own = group.entity_on(employee, pl.col("incurred_on"))
    return (
        lines.with_columns(
            entity_number=pl.when(is_for_another).then(also_for).otherwise(own), is_named=is_for_another | is_named
        )
        .with_columns(legal_entity_code=look_up(group.entities["legal_entity"], pl.col("entity_number")))
        .with_columns(legal_entity=pl.when("is_named").then("legal_entity_code"))
    )


def _in_which_currency(group: Group, lines: pl.DataFrame) -> pl.DataFrame:
    draws, key = group.draws, (pl.col("number"), pl.col("ordinal"))
    own = look_up(group.entities["currency_number"], pl.col("entity_number"))
    dollar = group.currencies["currency"].to_list().index("USD")
    in_dollars = _is_one_of(("subscription",)) & draws.chance(40, "in dollars", *key)
    is_abroad = (pl.col("kind") == ABROAD) & draws.chance(75, "is abroad", *key)
    currency = pl.when(in_dollars).then(dollar).when(is_abroad).then("trip_currency").otherwise(own)
    currencies = group.currencies
    # A rate moves within two percent from day to day; it is rounded once, to eight decimals.
    day = pl.col("incurred_on").cast(pl.Int32)
    moved = 1_000_000 - 20_000 + draws.below(40_001, "rate", day, pl.col("currency_number"))
    moved_e8 = look_up(currencies["rate_e8"], pl.col("currency_number")) * moved // 1_000_000
    rate_e8 = moved_e8 * 100_000_000 // look_up(currencies["rate_e8"], pl.col("own_currency"))
    is_foreign = pl.col("currency_number") != pl.col("own_currency")
    rate_text = decimal_text(rate_e8, 8)
    says_one = draws.chance(2, "says one", *key)
    return lines.with_columns(own_currency=own, currency_number=currency).with_columns(
        currency=look_up(currencies["currency"], pl.col("currency_number")),
        digits=look_up(currencies["digits"], pl.col("currency_number")),
        exchange_rate=pl.when(is_foreign).then(rate_text).when(says_one).then(pl.lit("1")),
        # Abroad no VAT is recovered; a subscription is billed with one's own country's.
        is_taxed=~is_foreign | _is_one_of(("subscription",)),
    )


def _how_much(group: Group, lines: pl.DataFrame) -> pl.DataFrame:
    draws, key, currencies = group.draws, (pl.col("number"), pl.col("ordinal")), group.currencies
    low, high = (given("expense_types")[name].cast(pl.Int64) for name in ("low_cents", "high_cents"))
    span = look_up(high - low, pl.col("type_number"))
    # The product of two draws: small amounts are more frequent than large ones.
    skewed = draws.below(1000, "amount", *key) * draws.below(1000, "amount too", *key)
    is_driven = _is_one_of(("mileage",))
    kilometres = 12 + draws.below(390, "kilometres", *key)
    cents = look_up(low, pl.col("type_number")) + span * skewed // 1_000_000
    cents = pl.when(is_driven).then(kilometres * _KILOMETRE_E3 // 10).otherwise(cents)
    # A change of the report changes its first expense.
    is_changed = (pl.col("revision") > 0) & (pl.col("ordinal") == 1)
    factor = 70 + draws.below(25, "change", pl.col("number"), pl.col("revision"))
    cents = pl.when(is_changed).then(cents * factor // 100).otherwise(cents)
    level, unit, rate_e8 = (
        look_up(currencies[name], pl.col("currency_number")) for name in ("level", "unit", "rate_e8")
    )
    minor = cents * level // 100 * 1_000_000 * unit // rate_e8
    magnitude = pl.when(pl.col("digits") == 0).then(minor // 10 * 10 + 10).otherwise(minor)
    may_be_given_back = _is_one_of(_GIVEN_BACK) & ~pl.col("employee_number").is_in(IN_STORIES)
    is_given_back = may_be_given_back & draws.chance(2, "given back", *key)
    sign = pl.when((pl.col("kind") == REFUND) | is_given_back).then(-1).otherwise(1)
    return lines.with_columns(kilometres=kilometres, is_driven=is_driven, gross_minor=magnitude * sign)


def _how_paid(group: Group, lines: pl.DataFrame) -> pl.DataFrame:
    drawn = group.draws.below(100, "paid", pl.col("number"), pl.col("ordinal"))
    return lines.with_columns(
        payment_method=pl.when("is_driven")
        .then(pl.lit("personal"))
        .when((drawn < 12) & _is_one_of(_BY_BANK))  # noqa: PLR2004 - in a hundred
        .then(pl.lit("bank"))
        .when((drawn < 5) & _is_one_of(_IN_CASH))  # noqa: PLR2004 - in a hundred
        .then(pl.lit("cash"))
        .when(drawn < 40)  # noqa: PLR2004 - in a hundred
        .then(pl.lit("card"))
        .otherwise(pl.lit("personal"))
    )


def _as_text(group: Group, lines: pl.DataFrame) -> pl.DataFrame:
    draws, key = group.draws, (pl.col("number"), pl.col("ordinal"))
    labels = [
        label for texts in choices("expense_types", "expense_type", "labels").values() for label in (texts * 3)[:3]
    ]
    with_city = given("expense_types")["with_city"] == "true"
    label = look_up(pl.Series(labels), pl.col("type_number") * _LABELS_EACH + draws.below(_LABELS_EACH, "label", *key))
    is_spoilt = (
        (pl.col("number") // 4 > REPORTS_A_MONTH)
        & (draws.below(_SPOILT, "spoilt type", pl.col("number")) == 0)
        & (pl.col("ordinal") == 1)
    )
    return lines.with_columns(
        expense=pl.col("ordinal").cast(pl.String),
        expense_type=pl.when(is_spoilt)
        .then(pl.lit("coworking"))
        .otherwise(look_up(pl.Series(_TYPES), pl.col("type_number"))),
        gross=amount_text(pl.col("gross_minor"), pl.col("digits")),
        label=pl.when(draws.chance(8, "no label", *key))
        .then(pl.lit(None, dtype=pl.String))
        .when("is_driven")
        .then(label + " " + pl.col("city") + " " + pl.col("kilometres").cast(pl.String) + " km")
        .when(look_up(with_city, pl.col("type_number")))
        .then(label + " " + pl.col("city"))
        .otherwise(label),
    )
