"""The difference between two states of the reference, as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.masterdata.drop import ARCHIVING
from schemas import REFERENCE
from schemas.table import columns, key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

#: a row a key that was added or removed, or a cell that is another. before, after: its text; of a row that was added or
#: removed what it is called. archived, restored: the last day of a section or an axis has come, or counts no more
DIFF = pl.Schema(
    {
        "table_name": pl.String(),
        "key": pl.String(),
        "change": pl.String(),
        "column_name": pl.String(),
        "before": pl.String(),
        "after": pl.String(),
    }
)
#: what may become of a row
CHANGES = ("added", "changed", "archived", "restored", "removed")
#: what a row is called that has no `name`
_CALLED = {
    "journals": "code",
    "affiliations": "legal_entity",
    "chart_of_accounts": "account",
    "vat_codes": "rate",
    "payment_methods": "counterpart",
    "section_rights": "valid_to",
}


def changes(before: Mapping[str, pl.DataFrame], after: Mapping[str, pl.DataFrame], on: date) -> pl.DataFrame:
    """The diff (DIFF) of every table, in the order of tables, keys and columns. on: what archived is judged by."""
    found = [_of_table(name, before[name], after[name], on) for name in REFERENCE if before[name] is not after[name]]
    return pl.concat(found) if found else pl.DataFrame(schema=DIFF)


def counted(
    diff: pl.DataFrame, lines: Mapping[str, int] | None = None, rejected: Mapping[str, int] | None = None
) -> list[dict[str, Any]]:
    """How many rows of each table are added, changed, archived, restored, removed; a row a table.

    lines, rejected: per table of a drop how many lines came in, and how many of them are rejected. A row that is
    archived or restored may have other cells changed too: it counts once, as that.
    """
    kinds = diff.select("table_name", "key", "change").unique()
    special = kinds.filter(pl.col("change").is_in(["archived", "restored"]))
    changed = kinds.filter(pl.col("change") == "changed").join(special, on=["table_name", "key"], how="anti")
    all_kinds = pl.concat([kinds.filter(pl.col("change") != "changed"), changed])
    by_table = {(name, change): rows for name, change, rows in all_kinds.group_by("table_name", "change").len().rows()}
    counts = []
    for name in REFERENCE:
        done = {change: by_table.get((name, change), 0) for change in CHANGES}
        if name in (lines or {}) or any(done.values()):
            came, out = (lines or {}).get(name, 0), (rejected or {}).get(name, 0)
            counts.append({"table_name": name, "lines": came, "rejected": out, "applied": came - out, **done})
    return counts


def key_text(name: str) -> pl.Expr:
    """The key of a row of a table in one cell, an empty one left out in its place: `project|P1|E1||`."""
    return pl.concat_str(
        [pl.col(column).cast(pl.String).fill_null("") for column in key(REFERENCE[name])], separator="|"
    )


def _of_table(name: str, before: pl.DataFrame, after: pl.DataFrame, on: date) -> pl.DataFrame:
    model = REFERENCE[name]
    keys = list(key(model))
    values = [column.name for column in columns(model) if column.name not in keys]
    called = _CALLED.get(name, "name")
    nothing = pl.lit(None, dtype=pl.String)
    parts = [
        rows.select(*keys, change=pl.lit(change), column_name=nothing, before=was, after=now)
        for rows, change, was, now in (
            (
                after.join(before, on=keys, how="anti", nulls_equal=True),
                "added",
                nothing,
                pl.col(called).cast(pl.String),
            ),
            (
                before.join(after, on=keys, how="anti", nulls_equal=True),
                "removed",
                pl.col(called).cast(pl.String),
                nothing,
            ),
        )
    ]
    both = before.join(after, on=keys, how="inner", nulls_equal=True, suffix="_after")
    for column in values:
        was, now = pl.col(column), pl.col(f"{column}_after")
        change = pl.lit("changed")
        if name in ARCHIVING and column == "active_to":
            change = (
                pl.when(~is_over(was, on) & is_over(now, on))
                .then(pl.lit("archived"))
                .when(is_over(was, on) & ~is_over(now, on))
                .then(pl.lit("restored"))
                .otherwise(change)
            )
        parts.append(
            both.filter(was.ne_missing(now)).select(
                *keys,
                change=change,
                column_name=pl.lit(column),
                before=was.cast(pl.String),
                after=now.cast(pl.String),
            )
        )
    place = {column: number for number, column in enumerate(values)}
    return (
        pl.concat(parts)
        .sort(*keys, pl.col("column_name").replace_strict(place, default=-1), nulls_last=True)
        .select(pl.lit(name).alias("table_name"), key_text(name).alias("key"), *list(DIFF)[2:])
        .cast(DIFF)
    )


def is_over(active_to: pl.Expr, on: date) -> pl.Expr:
    """Whether a last day has passed on a day."""
    return (active_to < pl.lit(on)).fill_null(value=False)
