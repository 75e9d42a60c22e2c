"""Expense reports: who declares what kind of trip when, and what becomes of the report in the months after."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from pipeline.sample.columns import as_day, day_number, numbered
from pipeline.sample.given import choices, given, look_up
from pipeline.sample.group import HIRE

if TYPE_CHECKING:
    from pipeline.sample.group import Group

MONTHS = (date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1))
_MONTH_NAMES = ("janvier", "février", "mars")
REPORTS_A_MONTH = 400

TRIP, ABROAD, CAR, OFFICE, REFUND = range(5)
_KINDS = pl.Series([TRIP] * 55 + [ABROAD] * 15 + [CAR] * 15 + [OFFICE] * 14 + [REFUND], dtype=pl.Int64)
_KIND_LABELS = pl.Series(["Déplacement", "Voyage", "Véhicule", "Frais de bureau", "Remboursements"])
CITIES = 4

#: employees (counted from 0) whom given/batch-1..3 tell a story of: nothing is drawn that would upset it
IN_STORIES = (2, 3, 21, 36, 45, 59)

# What becomes of a report: a number below 1000 falls into one of these.
_DRAFT, _MODIFIED, _CANCELLED, _CORRECTED, _SENT_TWICE, _RELABELLED = (
    (0, 24),
    (25, 49),
    (50, 57),
    (58, 67),
    (68, 72),
    (73, 77),
)
_TOLD = _RELABELLED[1]


def report_versions(group: Group, month: int, batch: int, start: int, stop: int) -> pl.DataFrame:
    """The versions that a batch brings of the reports `start` up to but not `stop` of a month, all counted from 1.

    Out:   a row a version: the table's columns, and what its expenses are made from: number, employee_number, kind,
           city, trip_currency, expense_count, revision (0 is what the report says at first, other numbers change it).
    Order: report, version.
    """
    reports = _reports(group, month, start, stop)
    if batch == month:
        modified_on = pl.col("declared_on") + pl.duration(days=1)
    else:
        days = group.draws.below(18, "modified", pl.col("number"), pl.lit(batch, dtype=pl.Int64))
        modified_on = as_day(day_number(MONTHS[batch - 1]) + 2 + days)
    return pl.concat(
        reports.filter(course.of).with_columns(
            version=pl.lit(course.version, dtype=pl.Int32),
            status=course.status,
            revision=course.revision,
            label=pl.col("label") + course.suffix,
            modified_on=modified_on if course.version > 1 else pl.lit(None, dtype=pl.Date),
        )
        for course in _courses(group)
        if course.months_later == batch - month
    ).sort("number", "version")


class _Course(NamedTuple):
    """A version that some reports get: of which, how many months after the first, and what it says."""

    months_later: int
    of: pl.Expr
    version: int
    status: pl.Expr
    revision: pl.Expr
    suffix: str = ""


def _courses(group: Group) -> list[_Course]:
    """Every version that there is."""
    number, fate, status = pl.col("number"), pl.col("fate"), pl.col("status")
    approved, cancelled = pl.lit("approved"), pl.lit("cancelled")
    same, changed, changed_again = (pl.lit(revision, dtype=pl.Int64) for revision in range(3))

    def is_told(of: tuple[int, int]) -> pl.Expr:
        return fate.is_between(*of)

    goes_on = group.draws.chance(67, "goes on", number)
    is_modified_again = is_told(_MODIFIED) & group.draws.chance(25, "again", number)
    is_undone = group.draws.chance(50, "undone", number)
    at_first = pl.when(is_told(_DRAFT)).then(pl.lit("draft")).when(fate <= _TOLD).then(approved).otherwise(status)
    is_approved_later = (fate > _TOLD) & (status == "declared") & goes_on
    wrong_at_first = is_told(_CORRECTED).cast(pl.Int64)
    return [
        _Course(0, pl.lit(value=True), 1, at_first, wrong_at_first),
        _Course(0, is_told(_CORRECTED), 2, approved, same),
        _Course(1, is_told(_SENT_TWICE), 1, at_first, same),
        _Course(1, is_told(_DRAFT) & goes_on, 2, approved, same),
        _Course(1, is_told(_MODIFIED), 2, approved, changed),
        _Course(1, is_told(_CANCELLED), 2, cancelled, same),
        _Course(1, is_told(_RELABELLED), 2, approved, same, " (complété)"),
        _Course(1, is_approved_later, 2, approved, same),
        _Course(2, is_modified_again & is_undone, 3, cancelled, changed),
        _Course(2, is_modified_again & ~is_undone, 3, approved, changed_again),
    ]


def _reports(group: Group, month: int, start: int, stop: int) -> pl.DataFrame:
    """A row a report, whatever its versions."""
    draws, number = group.draws, pl.col("number")
    first_day = day_number(MONTHS[month - 1])
    declared = first_day + 1 + draws.below(25, "declared", number)
    if month == 1:  # some of December come in late
        late = first_day - 1 - draws.below(4, "late", number)
        declared = pl.when(draws.chance(3, "is late", number)).then(late).otherwise(declared)
    drawn = draws.below(group.size, "employee", number)
    kind = look_up(_KINDS, draws.below(_KINDS.len(), "kind", number))
    home = look_up(group.entities["currency_number"], pl.col("home"))
    abroad = home + 1 + draws.below(group.currencies.height - 1, "abroad", number)
    return (
        # A number tells the month too, and is the same at every scale.
        pl.select(number=pl.int_range(start, stop, dtype=pl.Int64) * 4 + month)
        .with_columns(
            report=numbered(f"R{MONTHS[month - 1]:%y%m}-", number // 4, 4),
            employee_number=pl.when(drawn == HIRE).then(HIRE - 1).otherwise(drawn),
            declared_on=as_day(declared),
            fate=draws.below(1000, "fate", number),
            status=pl.when(draws.chance(85, "status", number)).then(pl.lit("approved")).otherwise(pl.lit("declared")),
            kind=kind,
            expense_count=2 + draws.below(7, "expense count", number),
        )
        .with_columns(
            employee=look_up(group.people["employee"], pl.col("employee_number")),
            home=look_up(group.people["entity"], pl.col("employee_number")),
            kind=pl.when((pl.col("kind") == REFUND) & pl.col("employee_number").is_in(IN_STORIES))
            .then(OFFICE)
            .otherwise("kind"),
        )
        .with_columns(
            trip_currency=pl.when(pl.col("kind") == ABROAD).then(abroad % group.currencies.height).otherwise(home)
        )
        .with_columns(city=_city(group))
        .with_columns(
            label=look_up(_KIND_LABELS, pl.col("kind"))
            + " "
            + pl.when(pl.col("kind") <= ABROAD)
            .then(pl.col("city"))
            .otherwise(pl.lit(f"{_MONTH_NAMES[month - 1]} {MONTHS[month - 1]:%Y}"))
        )
    )


def _city(group: Group) -> pl.Expr:
    """Where a report's expenses are made: in the employee's country, or where the currency is from."""
    at_home = choices("countries", "country", "cities")
    abroad = choices("currencies", "currency", "cities")
    home_cities = [city for country in given("countries")["country"] for city in at_home[country]]
    away_cities = [city for currency in given("currencies")["currency"] for city in abroad[currency]]
    each = len(home_cities) // given("countries").height
    country = look_up(group.entities["country_number"], pl.col("home"))
    drawn = group.draws.below(each, "city", pl.col("number"))
    return (
        pl.when(pl.col("kind") == ABROAD)
        .then(look_up(pl.Series(away_cities), pl.col("trip_currency") * CITIES + drawn % CITIES))
        .otherwise(look_up(pl.Series(home_cities), country * each + drawn))
    )
