"""The allocations of expenses: their splits over cost centres and projects that the employee may use that day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from pipeline.sample.given import given, look_up
from pipeline.sample.group import SLOTS
from pipeline.sample.reports import REPORTS_A_MONTH

if TYPE_CHECKING:
    from pipeline.sample.group import Group

#: beyond the smallest sample, one report in so many has a split that is a hundredth of a percent short
_SPOILT = 2000


def allocations(group: Group, expenses: pl.DataFrame) -> pl.DataFrame:
    """The splits of expenses: a row a split and axis. Order: report, version, expense, split, axis."""
    draws, employee, entity = group.draws, pl.col("employee_number"), pl.col("entity_number")
    key = (pl.col("number"), pl.col("ordinal"))
    weights = given("layouts").select("layout", pl.col("weight").cast(pl.Int64)).unique(maintain_order=True)
    drawn_from = weights.select(pl.col("layout").repeat_by("weight").explode(empty_as_null=True))["layout"]
    slot = draws.below(SLOTS, "slot", *key)
    is_spoilt = (
        (pl.col("number") // 4 > REPORTS_A_MONTH)
        & (draws.below(_SPOILT, "spoilt split", pl.col("number")) == 0)
        & (pl.col("ordinal") == 1)
    )
    placed = expenses.with_columns(project_number=group.slot(employee, slot)).select(
        "number",
        "ordinal",
        "report",
        "version",
        "expense",
        layout=look_up(drawn_from, draws.below(drawn_from.len(), "layout", *key)),
        may_use=group.may_use(pl.col("project_number"), employee, entity, pl.col("incurred_on")),
        own=group.center(employee, entity),
        unit=group.unit(employee, entity),
        project=look_up(group.projects["section"], pl.col("project_number")),
        client=look_up(group.projects["client"], pl.col("project_number")),
        is_spoilt=is_spoilt,
    )
    splits = given("layouts").select("layout", "axis", "percent", pl.col("split").cast(pl.Int32), named="section")
    section = pl.col("named")
    for name in ("own", "unit", "project", "client"):
        section = pl.when(pl.col("named") == name).then(name).otherwise(section)
    short = (pl.col("percent").cast(pl.Decimal(7, 4)) - pl.lit("0.01").cast(pl.Decimal(7, 4))).cast(pl.String)
    return (
        placed.join(splits, on="layout")
        .filter(pl.col("may_use") | ~pl.col("axis").is_in(["project", "client"]))
        .with_columns(
            section=section,
            percent=pl.when(pl.col("is_spoilt") & (pl.col("split") == 1)).then(short).otherwise("percent"),
        )
        .sort("number", "version", "ordinal", "split", "axis")
    )
