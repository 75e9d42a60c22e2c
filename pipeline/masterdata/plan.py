"""What a drop makes of the reference: lines in, the tables after it, what changes, and the lines that were rejected.

    lines ─▶ merge ─▶ the whole, judged (faults.py) ─▶ diff
               ▲             │ a line that breaks it is taken out
               └─────────────┘ until none does

A rejected line leaves what was in force for its key. Taking it out may leave others hanging (a section below one that
is not there after all): these are rejected in the next round, so that what is left is whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.errors import InvariantError
from pipeline.masterdata.diff import changes, counted
from pipeline.masterdata.drop import PLACE, readable
from pipeline.masterdata.faults import cell_faults, faults_of, named_rights
from pipeline.masterdata.merge import Whole, merged, vanishing
from schemas import REFERENCE
from schemas.table import key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from pipeline.masterdata.drop import Drop, DropTable

#: a finding about a line: where it is, what is wrong with which cell, and what to mend
REJECTED = pl.Schema(
    {
        "table_name": pl.String(),
        "file": pl.String(),
        "line": pl.Int64(),
        PLACE: pl.Int64(),
        "column_name": pl.String(),
        "value": pl.String(),
        "why": pl.String(),
        "mend": pl.String(),
    }
)


@dataclass(frozen=True)
class SyncPlan:
    """What a sync would do.

    tables_before, tables_after: every reference table. diff: see diff.py. rejected: a row a finding (REJECTED), PLACE
    null for a line that is no row. counts: per table of the drop its lines, how many were rejected and applied, and
    what they do. refusal: why nothing of it may be applied, None where it may.
    """

    tables_before: Mapping[str, pl.DataFrame]
    tables_after: dict[str, pl.DataFrame]
    diff: pl.DataFrame
    rejected: pl.DataFrame
    counts: list[dict[str, Any]]
    notes: list[str]
    refusal: str | None = None


def plan(
    current: Mapping[str, pl.DataFrame],
    drop: Drop,
    *,
    mode: str,
    on: date,
    strict: bool = False,
    most_vanishing_percent: int = 20,
) -> SyncPlan:
    """Works out what a drop makes of the reference; nothing is written.

    current: every reference table as it is in force, without defaults. mode: `full` or `changes`. on: the day of the
    sync; what vanishes was active on the day before for the last time.
    """
    drop = replace(drop, tables={name: named_rights(table, current[name]) for name, table in drop.tables.items()})
    found = pl.concat([cell_faults(table, current[name]) for name, table in drop.tables.items()])
    whole = merged(current, drop, found, full=mode == "full", on=on)
    while True:
        more = faults_of(whole, drop).unique(maintain_order=True)
        if more.is_empty():
            break
        if more[PLACE].null_count() == more.height:
            raise InvariantError(
                f"the reference would be broken by no line of the drop ({more['table_name'][0]}: {more['why'][0]})",
                where="sync",
                mend="this is a fault of lettrage: please report it",
            )
        more = more.drop_nulls(PLACE)
        found = pl.concat([found, more])
        whole = merged(current, drop, found, full=mode == "full", on=on)
    tables = {
        name: rows.sort(key(REFERENCE[name]), nulls_last=True) if name in whole.placed else rows
        for name, rows in whole.tables.items()
    }
    diff = changes(current, tables, on)
    rejected = _rejected(drop, found)
    counts = _counts(drop, found, diff)
    notes = [*drop.notes, *whole.notes]
    refusal = None
    if mode == "full":
        refusal = _too_much_vanishes(current, whole, on, most_vanishing_percent)
    if refusal is None and strict and rejected.height:
        lines = sum(row["rejected"] for row in counts)
        refusal = f"{lines} lines are rejected, and strict is asked for: nothing was applied"
    return SyncPlan(current, tables, diff, rejected, counts, notes, refusal)


def _too_much_vanishes(
    current: Mapping[str, pl.DataFrame], whole: Whole, on: date, most_vanishing_percent: int
) -> str | None:
    """Says which table loses more of its rows than may vanish at once: a file may have been cut short."""
    for name, gone in whole.vanished.items():
        known = vanishing(name, current[name], on).height
        if gone * 100 > most_vanishing_percent * known:
            return (
                f"{gone:,} of {known:,} rows in force of {name} are not in the drop, more than "
                f"{most_vanishing_percent} percent: nothing was applied; if the file is whole, raise "
                "most_vanishing_percent"
            )
    return None


def _rejected(drop: Drop, found: pl.DataFrame) -> pl.DataFrame:
    """The findings with the lines that they are about, in the order of tables and lines."""
    parts = []
    for name, table in drop.tables.items():
        of_table = found.filter(pl.col("table_name") == name)
        if of_table.height:
            parts.append(
                of_table.join(table.line_numbers(), on=PLACE, how="left").with_columns(
                    file=pl.lit(readable(str(table.path)))
                )
            )
        if table.bad_rows:
            parts.append(_bad_rows(table))
    if not parts:
        return pl.DataFrame(schema=REJECTED)
    order = {name: place for place, name in enumerate(REFERENCE)}
    return (
        pl.concat([part.select(list(REJECTED)) for part in parts])
        .unique()
        .sort(pl.col("table_name").replace_strict(order), "line", "column_name", "why", nulls_last=True)
    )


def _bad_rows(table: DropTable) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "table_name": table.name,
            "file": readable(str(table.path)),
            "line": [bad.line for bad in table.bad_rows],
            PLACE: None,
            "column_name": None,
            "value": [bad.text for bad in table.bad_rows],
            "why": [bad.reason for bad in table.bad_rows],
            "mend": "write as many cells as the header has",
        },
        schema=REJECTED,
    )


def _counts(drop: Drop, found: pl.DataFrame, diff: pl.DataFrame) -> list[dict[str, Any]]:
    rejected = dict(found.group_by("table_name").agg(pl.col(PLACE).n_unique()).rows())
    lines = {name: table.line_count for name, table in drop.tables.items()}
    out = {name: rejected.get(name, 0) + len(table.bad_rows) for name, table in drop.tables.items()}
    return counted(diff, lines, out)
