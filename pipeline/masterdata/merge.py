"""The lines of a drop laid over what is in force: updates by key, what is deleted, and what a full table leaves out.

A column that a file does not have keeps what is in force; an empty cell empties it. Sections and axes are never
deleted: their last day is set.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from pipeline.masterdata.diff import is_over
from pipeline.masterdata.drop import ARCHIVED, ARCHIVING, DELETE, NAMES, PARENT, PLACE
from pipeline.masterdata.faults import FOUND, padded, unclear
from schemas import REFERENCE
from schemas.table import columns, key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from pipeline.masterdata.drop import Drop, DropTable


@dataclass
class Whole:
    """The reference with the lines of a drop in it.

    before: the tables in force. tables: every reference table, those that the drop does not touch as they were.
    placed: of the tables touched, their rows with PLACE, the line that said the row (null: none did), and
    `parent_place`, the line that named it among its children. vanished: how many rows in force of each table a full
    drop leaves out. found: lines that cannot be laid over it (FOUND).
    """

    before: Mapping[str, pl.DataFrame]
    tables: dict[str, pl.DataFrame]
    placed: dict[str, pl.DataFrame] = field(default_factory=dict)
    vanished: dict[str, int] = field(default_factory=dict)
    found: list[pl.DataFrame] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def merged(current: Mapping[str, pl.DataFrame], drop: Drop, found: pl.DataFrame, *, full: bool, on: date) -> Whole:
    """Lays the lines of a drop over the tables in force, without those that there is a finding about."""
    whole = Whole(current, dict(current))
    accepted = {
        name: table.lines.join(found.filter(pl.col("table_name") == name), on=PLACE, how="anti")
        for name, table in drop.tables.items()
    }
    for name, table in drop.tables.items():
        _merge_table(whole, current[name], table, accepted[name], full=full, on=on)
    for name in ARCHIVING:
        if name in drop.tables and "children" in drop.tables[name].given:
            _set_parents(whole, drop.tables[name], accepted[name].filter(_is_kept(accepted[name])), current, full=full)
    if "axes" in whole.placed:
        _archive_with_axes(whole, current, on)
        _free_archived(whole, current, on)
    for name, names in NAMES.items():
        if name in drop.tables and drop.tables[name].languages:
            _merge_names(whole, names, drop, accepted[name].filter(_is_kept(accepted[name])), name)
    for name, placed in whole.placed.items():
        whole.tables[name] = placed.select([column.name for column in columns(REFERENCE[name])])
    return whole


def vanishing(name: str, rows: pl.DataFrame, on: date) -> pl.DataFrame:
    """The rows of a table that can vanish: all, but of sections and axes those whose last day has not passed."""
    return rows.filter(~is_over(pl.col("active_to"), on)) if name in ARCHIVING else rows


def _is_kept(lines: pl.DataFrame) -> pl.Expr:
    """Whether a line says what is to be, and not that something is to go."""
    return pl.col("change").ne_missing(pl.lit(DELETE)) if "change" in lines.columns else pl.lit(value=True)


def _keyless(table: DropTable, current: pl.DataFrame) -> bool:
    """Whether there is a line of which nobody knows what it is about."""
    model = REFERENCE[table.name]
    named = [column.name for column in columns(model) if column.required and column.name in key(model)]
    unread = (
        table.lines.filter(pl.col("malformed").is_not_null())
        .select(pl.col("malformed").explode().struct.field("column_name"))
        .to_series()
    )
    is_empty = table.lines.select(pl.any_horizontal(pl.col(named).is_null()).any()).item()
    if padded(table, current).height or unclear(table, current).height:
        return True
    return bool(table.bad_rows or is_empty or unread.is_in(list(key(model))).any())


def _merge_table(
    whole: Whole, current: pl.DataFrame, table: DropTable, lines: pl.DataFrame, *, full: bool, on: date
) -> None:
    name, model = table.name, REFERENCE[table.name]
    keys, names = list(key(model)), [column.name for column in columns(model)]
    laid = lines.filter(_is_kept(lines)).join(current, on=keys, how="left", nulls_equal=True, suffix="_was")
    if name in ARCHIVING:
        laid = laid.with_columns(active_to=_last_day(table, full=full, on=on))
    # What there is a finding about, or what no line is about, is as it was.
    kept = current.join(lines, on=keys, how="anti", nulls_equal=True)
    unnamed = kept.join(table.lines, on=keys, how="anti", nulls_equal=True)
    gone = current.join(lines.filter(~_is_kept(lines)).select(*keys, PLACE), on=keys, how="inner", nulls_equal=True)
    vanished = unnamed.clear()
    if full and _keyless(table, current):
        whole.notes.append(f"{table.path}: lines without a code that can be read: nothing of {name} is taken for gone")
    elif full:
        vanished = vanishing(name, unnamed, on)
        kept = kept.join(vanished, on=keys, how="anti", nulls_equal=True)
    whole.vanished[name] = vanished.height
    nobody = pl.lit(None, dtype=pl.Int64).alias(PLACE)
    parts = [laid.select(*names, PLACE), kept.select(*names, nobody)]
    if name in ARCHIVING:
        parts += [
            gone.with_columns(active_to=_day_before(on)).select(*names, PLACE),
            vanished.with_columns(active_to=_day_before(on)).select(*names, nobody),
        ]
    whole.placed[name] = pl.concat(parts).with_columns(parent_place=pl.lit(None, dtype=pl.Int64))


def _day_before(on: date) -> pl.Expr:
    """The last day of what is archived: the day before, or an earlier one that it has already."""
    return pl.min_horizontal(pl.col("active_to"), pl.lit(on - timedelta(days=1)))


def _last_day(table: DropTable, *, full: bool, on: date) -> pl.Expr:
    """The last day of a section or an axis that is in the drop: as its line says, or by being there."""
    last = pl.col("active_to")
    back = pl.when(is_over(last, on)).then(None).otherwise(last)
    # In a full file what is there is active, where nothing else says so.
    silent = back if full and "active_to" not in table.given else last
    if "status" not in table.given:
        return silent
    return (
        pl.when(pl.col("status") == ARCHIVED)
        .then(_day_before(on))
        .when(pl.col("status").is_not_null())
        .then(back)
        .otherwise(silent)
    )


def _set_parents(
    whole: Whole, table: DropTable, lines: pl.DataFrame, current: Mapping[str, pl.DataFrame], *, full: bool
) -> None:
    """Puts what a line names as its children below it; what cannot be meant becomes a finding about that line.

    In a full file they are all its children: one that it does not name any more, and no other, is below none.
    """
    name, keys, parent = table.name, list(key(REFERENCE[table.name])), PARENT[table.name]
    code = keys[-1]
    named = (
        lines.select(*keys, PLACE, child=pl.col("children").str.split("|"))
        .explode("child")
        .with_columns(pl.col("child").str.strip_chars())
        .filter(pl.col("child") != "")
        .unique()
    )
    if full and parent not in table.given:
        _unset_parents(whole, name, lines.select(*keys, PLACE), named, current)
    if named.is_empty():
        return
    placed = whole.placed[name]
    # Where the child has a line that names its parent, both have to say the same; what was in force gives way.
    says = pl.col(PLACE).is_not_null() if parent in table.given else pl.lit(value=False)
    below = placed.select(
        *(pl.col(column).alias(f"child_{column}") for column in keys),
        own_parent=pl.when(says).then(parent),
        is_known=pl.lit(value=True),
    )
    if name == "sections":
        axes = whole.placed["axes"] if "axes" in whole.placed else current["axes"]
        below = below.join(axes.select(child_axis="axis", axis="parent_axis"), on="child_axis", how="inner")
        pairs = named.join(below, left_on=["axis", "child"], right_on=["axis", "child_section"], how="left")
        pairs = pairs.with_columns(child_section="child")
    else:
        pairs = named.join(below, left_on="child", right_on="child_axis", how="left").with_columns(child_axis="child")
    children = [f"child_{column}" for column in keys]
    pairs = pairs.with_columns(
        known=pl.col("is_known").fill_null(value=False).sum().over(PLACE, "child"),
        parents=pl.col(code).n_unique().over(children),
    )
    is_unknown, is_unclear = pl.col("known") == 0, pl.col("known") > 1
    is_torn = (pl.col("parents") > 1) | (pl.col("own_parent") != pl.col(code)).fill_null(value=False)
    wrong = pairs.filter(is_unknown | is_unclear | is_torn).select(
        table_name=pl.lit(name),
        line_place=PLACE,
        column_name=pl.lit("children"),
        value="child",
        why=pl.when(is_unknown)
        .then(pl.lit("it is no section of an axis below" if name == "sections" else "there is no such axis"))
        .when(is_unclear)
        .then(pl.lit("sections of several axes below have this code"))
        .otherwise(pl.lit("it has another parent too")),
        mend=pl.when(is_unknown)
        .then(pl.lit("mend the code, or add it"))
        .when(is_unclear)
        .then(pl.lit(f"name the parent in {parent} of the child"))
        .otherwise(pl.lit("name one parent")),
    )
    whole.found.append(wrong.unique().cast(FOUND))
    good = pairs.filter(~(is_unknown | is_unclear | is_torn)).select(
        *(pl.col(f"child_{column}").alias(column) for column in keys), new_parent=pl.col(code), new_place=PLACE
    )
    whole.placed[name] = (
        placed.join(good, on=keys, how="left")
        .with_columns(
            pl.coalesce("new_parent", parent).alias(parent), parent_place=pl.coalesce("new_place", "parent_place")
        )
        .drop("new_parent", "new_place")
    )


def _unset_parents(
    whole: Whole, name: str, lines: pl.DataFrame, named: pl.DataFrame, current: Mapping[str, pl.DataFrame]
) -> None:
    """Takes what has a line of its own from below a parent whose line does not name it.

    lines: of a full file that names children and no parents, those that count. named: which children they name.
    """
    parent = PARENT[name]
    placed = whole.placed[name]
    if name == "sections":
        axes = whole.placed["axes"] if "axes" in whole.placed else current["axes"]
        placed = placed.join(axes.select("axis", "parent_axis"), on="axis", how="left")
        above, below, code = ["parent_axis", parent], ["axis", "section"], "section"
    else:
        above, below, code = [parent], ["axis"], "axis"
    left = (
        placed.filter(pl.col(PLACE).is_not_null())
        .select(*dict.fromkeys((*below, *above)))
        .join(lines.rename({PLACE: "left_by"}), left_on=above, right_on=below, how="inner")
        .join(
            named.select(pl.col(PLACE).alias("left_by"), pl.col("child").alias(code)), on=["left_by", code], how="anti"
        )
        .select(*below, "left_by")
    )
    if left.is_empty():
        return
    whole.placed[name] = (
        whole.placed[name]
        .join(left, on=below, how="left")
        .with_columns(
            pl.when(pl.col("left_by").is_null()).then(parent).alias(parent),
            parent_place=pl.coalesce("parent_place", "left_by"),
        )
        .drop("left_by")
    )


def _sections(whole: Whole, current: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    if "sections" in whole.placed:
        return whole.placed["sections"]
    nobody = pl.lit(None, dtype=pl.Int64)
    return current["sections"].with_columns(nobody.alias(PLACE), parent_place=nobody)


def _archive_with_axes(whole: Whole, current: Mapping[str, pl.DataFrame], on: date) -> None:
    """Archives the sections of an axis that is archived, but for those that have a line of their own."""
    ended = (
        whole.placed["axes"]
        .filter(is_over(pl.col("active_to"), on))
        .join(vanishing("axes", current["axes"], on), on="axis", how="semi")
    )
    if ended.is_empty():
        return
    sections = _sections(whole, current)
    goes = pl.col("axis").is_in(ended["axis"].to_list()) & pl.col(PLACE).is_null() & ~is_over(pl.col("active_to"), on)
    # Of an axis that no line archives: its file may have been cut short.
    lost = sections.filter(goes).join(ended.filter(pl.col(PLACE).is_null()), on="axis", how="semi").height
    whole.vanished["sections"] = whole.vanished.get("sections", 0) + lost
    whole.placed["sections"] = sections.with_columns(
        active_to=pl.when(goes).then(_day_before(on)).otherwise("active_to")
    )


def _free_archived(whole: Whole, current: Mapping[str, pl.DataFrame], on: date) -> None:
    """Takes archived sections from below parents that their axis does not stand under any more."""
    moved = (
        whole.placed["axes"]
        .join(current["axes"], on="axis", how="inner", suffix="_was")
        .filter(pl.col("parent_axis").ne_missing(pl.col("parent_axis_was")))
        .select("axis", "parent_axis")
    )
    if moved.is_empty():
        return
    sections = _sections(whole, current).join(moved.with_columns(is_moved=pl.lit(value=True)), on="axis", how="left")
    above = sections.select(parent_axis="axis", parent_section="section", is_there=pl.lit(value=True))
    sections = sections.join(above, on=["parent_axis", "parent_section"], how="left")
    hangs = (
        pl.col("is_moved").fill_null(value=False)
        & pl.col("is_there").is_null()
        & pl.col("parent_section").is_not_null()
        & pl.col(PLACE).is_null()
        & is_over(pl.col("active_to"), on)
    )
    if not sections.select(hangs.any()).item():
        return
    whole.placed["sections"] = sections.with_columns(
        parent_section=pl.when(hangs).then(None).otherwise("parent_section")
    ).drop("parent_axis", "is_moved", "is_there")


def _merge_names(whole: Whole, names: str, drop: Drop, lines: pl.DataFrame, name: str) -> None:
    """Takes the names by language that stand in the lines of axes and sections; an empty cell takes one away."""
    keys = list(key(REFERENCE[names]))
    told = pl.concat(
        [
            lines.select(*keys[:-1], language=pl.lit(language), name=pl.col(f"name_{language}"))
            for language in drop.tables[name].languages
        ]
    )
    if names in drop.tables:
        # Where both say it, the table of the names does.
        told = told.join(drop.tables[names].lines, on=keys, how="anti")
    nobody = pl.lit(None, dtype=pl.Int64)
    extras = {PLACE: nobody, "parent_place": nobody}
    before = whole.placed[names] if names in whole.placed else whole.tables[names].with_columns(**extras)
    whole.placed[names] = pl.concat(
        [
            before.join(told, on=keys, how="anti"),
            told.filter(pl.col("name").is_not_null()).with_columns(**extras).select(before.columns),
        ]
    )
