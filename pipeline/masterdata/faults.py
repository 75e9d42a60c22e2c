"""What is wrong with the lines of a drop: with their cells taken alone, and with the whole that they would make.

A finding names a line; where a row is broken that no line said, it names the line that broke it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from pipeline.masterdata.drop import ARCHIVED, DELETE, PLACE
from pipeline.stage.reference import AXIS, LANGUAGE
from schemas import REFERENCE
from schemas.currencies import MINOR_UNITS
from schemas.table import Form, columns, key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.masterdata.drop import Drop, DropTable
    from pipeline.masterdata.merge import Whole

#: a row a finding: the line by its place in its table, the cell, what is wrong with it and what to mend
FOUND = pl.Schema(
    {
        "table_name": pl.String(),
        PLACE: pl.Int64(),
        "column_name": pl.String(),
        "value": pl.String(),
        "why": pl.String(),
        "mend": pl.String(),
    }
)
#: columns that name rows of another table: where it is no news, it may name what is there no more
_KNOWN_IN = {
    ("axes", "owner"): ("employees", "employee"),
    ("sections", "owner"): ("employees", "employee"),
    ("affiliations", "employee"): ("employees", "employee"),
    ("affiliations", "legal_entity"): ("legal_entities", "legal_entity"),
    ("section_rights", "employee"): ("employees", "employee"),
    ("section_rights", "legal_entity"): ("legal_entities", "legal_entity"),
}
#: first and last day of what a row says
_DAYS = {
    "axes": ("active_from", "active_to"),
    "sections": ("active_from", "active_to"),
    "section_rights": ("valid_from", "valid_to"),
}
_HOLDERS = ("employee", "department", "legal_entity")
#: who may allocate to what; with the first day it is the key of a right
_RIGHT = ["axis", "section", *_HOLDERS]


def as_found(
    rows: pl.DataFrame, table: str, column: str | None, value: pl.Expr | None, why: str | pl.Expr, mend: str
) -> pl.DataFrame:
    """Findings (FOUND), one a row of `rows`, which has PLACE."""
    return rows.select(
        table_name=pl.lit(table),
        line_place=PLACE,
        column_name=pl.lit(column, dtype=pl.String),
        value=pl.lit(None, dtype=pl.String) if value is None else value.cast(pl.String),
        why=pl.lit(why) if isinstance(why, str) else why,
        mend=pl.lit(mend),
    ).cast(FOUND)


# ------------------------------------------------------------------------------------------------- lines alone


def cell_faults(table: DropTable, current: pl.DataFrame) -> pl.DataFrame:
    """Findings (FOUND) about lines that are wrong whatever the others say."""
    return pl.concat([pl.DataFrame(schema=FOUND), *_cell_faults(table, current)])


def _cell_faults(table: DropTable, current: pl.DataFrame) -> Iterator[pl.DataFrame]:
    name, lines, model = table.name, table.lines, REFERENCE[table.name]
    keys = list(key(model))
    unread = (
        lines.filter(pl.col("malformed").is_not_null())
        .select(PLACE, "malformed")
        .explode("malformed")
        .unnest("malformed")
    )
    about = {column.name: column for column in columns(model)}
    asked = pl.DataFrame(
        {
            "column_name": list(about),
            "mend": [f"write it as {_form(column.form, column.values)}" for column in about.values()],
        }
    )
    extras = {"change": "write update or delete, or nothing", "status": "write active or archived, or nothing"}
    asked = pl.concat([asked, pl.DataFrame({"column_name": list(extras), "mend": list(extras.values())})])
    yield (
        unread.join(asked, on="column_name", how="left")
        .select(
            pl.lit(name).alias("table_name"),
            PLACE,
            "column_name",
            "value",
            why=pl.lit("it cannot be read"),
            mend="mend",
        )
        .cast(FOUND)
    )
    formulas = table.uncomputed()
    yield formulas.select(
        pl.lit(name).alias("table_name"),
        PLACE,
        "column_name",
        "value",
        why=pl.lit("no program has computed this formula, so the cell is empty"),
        mend=pl.lit("open the workbook and save it, or write the value"),
    ).cast(FOUND)
    wrong = set(unread[PLACE]) if unread.height else set()
    for column in columns(model):
        if column.required and column.name in keys:
            empty = lines.filter(pl.col(column.name).is_null() & ~pl.col(PLACE).is_in(list(wrong)))
            yield as_found(empty, name, column.name, None, "it is empty", "write the code: it says which row is meant")
    whole = lines.drop_nulls([column for column in keys if about[column].required])
    twice = whole.filter(whole.select(keys).is_duplicated())
    yield as_found(
        twice,
        name,
        keys[-1] if len(keys) == 1 else None,
        _key_text(keys),
        "this key stands on several lines",
        "leave one",
    )
    for code in _text_keys(name):
        is_padded = pl.col(code) != pl.col(code).str.strip_chars()
        mend = "leave out what is around the code: it would be another code"
        yield as_found(
            padded(table, current).filter(is_padded),
            name,
            code,
            pl.format("'{}'", code),
            "it begins or ends with a space",
            mend,
        )
    yield as_found(
        unclear(table, current),
        name,
        "valid_from",
        None,
        "several of these rights are in force, from other days",
        "say which one in valid_from",
    )
    if table.path.suffix.lower() != ".csv":
        for given in table.given:
            if lines.schema[given] == pl.String:
                nul = lines.filter(pl.col(given).str.contains("\0", literal=True))
                yield as_found(nul, name, given, None, "it holds a NUL character", "leave that out")
    if "change" in table.given:
        strange = lines.filter(pl.col("change") == DELETE).join(current, on=keys, how="anti", nulls_equal=True)
        yield as_found(strange, name, "change", pl.col("change"), "there is no such row to delete", "mend the code")
    if name in _DAYS and set(_DAYS[name]) <= set(lines.columns):
        first, last = _DAYS[name]
        back = lines.filter(pl.col(last) < pl.col(first))
        yield as_found(back, name, last, pl.col(last), f"it is before {first}", "mend one of the two days")


def _text_keys(name: str) -> list[str]:
    model = REFERENCE[name]
    return [column.name for column in columns(model) if column.name in key(model) and column.form == Form.TEXT]


def padded(table: DropTable, current: pl.DataFrame) -> pl.DataFrame:
    """The lines whose key has spaces around a code, and is not in force as it stands."""
    codes = [pl.col(column) for column in _text_keys(table.name)]
    return table.lines.filter(pl.any_horizontal(code != code.str.strip_chars() for code in codes)).join(
        current, on=list(key(REFERENCE[table.name])), how="anti", nulls_equal=True
    )


def named_rights(table: DropTable, current: pl.DataFrame) -> DropTable:
    """Rights whose file says no first days, with those in force: what is not in a file stays as it is."""
    if table.name != "section_rights" or "valid_from" in table.given:
        return table
    lines = (
        table.lines.drop("valid_from")
        .join(_first_days(current), on=_RIGHT, how="left", nulls_equal=True)
        .with_columns(valid_from=pl.when(pl.col("days") == 1).then("valid_from"))
        .select(table.lines.columns)
        .sort(PLACE)
    )
    return replace(table, lines=lines)


def unclear(table: DropTable, current: pl.DataFrame) -> pl.DataFrame:
    """The lines of rights that say no first day where several in force are from other days."""
    if table.name != "section_rights" or "valid_from" in table.given:
        return table.lines.clear()
    several = _first_days(current).filter(pl.col("days") > 1)
    return table.lines.join(several, on=_RIGHT, how="semi", nulls_equal=True)


def _first_days(rights: pl.DataFrame) -> pl.DataFrame:
    """A row who and where: how many rights there are, 1 where one has no first day, and a day of them."""
    days = pl.when(pl.col("valid_from").is_null().any()).then(1).otherwise(pl.len())
    first = pl.when(pl.col("valid_from").is_not_null().all()).then(pl.col("valid_from").min())
    return rights.group_by(_RIGHT).agg(days=days, valid_from=first)


def _form(form: str, values: tuple[str, ...]) -> str:
    if values:
        return f"one of {', '.join(values)}"
    return {"date": "a day, 2026-01-31", "boolean": "true or false", "rate": "a number with up to 3 decimals"}.get(
        form, form.replace("_", " ")
    )


def _key_text(keys: list[str]) -> pl.Expr:
    return pl.concat_str([pl.col(column).cast(pl.String).fill_null("") for column in keys], separator="|")


# --------------------------------------------------------------------------------------------------- the whole


def faults_of(whole: Whole, drop: Drop) -> pl.DataFrame:
    """Findings (FOUND) about lines that would break the reference, as it would be with them; none where it is whole.

    PLACE is null where a row is broken and no line did it.
    """
    found = [pl.DataFrame(schema=FOUND), *whole.found]
    for name, table in drop.tables.items():
        found += _missing_cells(table, whole.placed[name])
        found += _turned_days(table, whole)
        found += _impossible_values(name, whole.placed[name])
        found += _orphans(name, whole)
    if "axes" in whole.placed:
        found += _broken_axes(whole.placed["axes"], whole.before["axes"])
    found += _broken_sections(whole)
    found += _broken_links(whole)
    return pl.concat(found)


def _said(placed: pl.DataFrame) -> pl.DataFrame:
    return placed.filter(pl.col(PLACE).is_not_null())


def _missing_cells(table: DropTable, placed: pl.DataFrame) -> Iterator[pl.DataFrame]:
    for column in columns(REFERENCE[table.name]):
        if column.required and column.name not in key(REFERENCE[table.name]):
            empty = _said(placed).filter(pl.col(column.name).is_null())
            why = (
                "it is required and empty"
                if column.name in table.given
                else "a new row needs it, and there is no such column"
            )
            yield as_found(empty, table.name, column.name, None, why, "fill it")


def _turned_days(table: DropTable, whole: Whole) -> Iterator[pl.DataFrame]:
    """Lines that bring one of two days, and the other one in force does not go with it."""
    name = table.name
    if name not in _DAYS or len(set(_DAYS[name]).intersection(table.given)) != 1:
        return
    first, last = _DAYS[name]
    (given,) = set(_DAYS[name]).intersection(table.given)
    is_ended = pl.lit(value=False)
    if "change" in table.given:
        is_ended |= pl.col("change").eq_missing(pl.lit(DELETE))
    if "status" in table.given:
        is_ended |= pl.col("status").eq_missing(pl.lit(ARCHIVED))
    # What is archived before its first day is so on purpose, and what says again what is in force is no news.
    turned = (
        _said(whole.placed[name])
        .filter(pl.col(last) < pl.col(first))
        .join(table.lines.filter(~is_ended), on=PLACE, how="semi")
        .join(
            whole.before[name],
            on=list(dict.fromkeys((*key(REFERENCE[name]), first, last))),
            how="anti",
            nulls_equal=True,
        )
    )
    why = pl.format("in force is {} = {}: the last day would be before the first", pl.lit(last), last)
    if given == last:
        why = pl.format("in force is {} = {}: the last day would be before the first", pl.lit(first), first)
    yield as_found(turned, name, given, pl.col(given), why, f"bring {first} and {last} both")


def _impossible_values(name: str, placed: pl.DataFrame) -> Iterator[pl.DataFrame]:
    said = _said(placed)
    if name == "axes":
        strange = said.filter(~pl.col("axis").str.contains(AXIS))
        mend = "write a letter of a-z, then up to 29 of a-z, 0-9 and _"
        yield as_found(strange, name, "axis", pl.col("axis"), "it cannot become a column", mend)
    if name in ("axis_names", "section_names"):
        strange = said.filter(~pl.col("language").str.contains(LANGUAGE))
        yield as_found(
            strange, name, "language", pl.col("language"), "it is no code of ISO 639", "write it as fr or en"
        )
    if name == "vat_codes":
        low = said.filter(pl.col("rate") < 0)
        yield as_found(low, name, "rate", pl.col("rate"), "it is below 0", "write the rate in percent")
        beyond = said.filter(~pl.col("recoverable_percent").is_between(0, 100))
        value = pl.col("recoverable_percent")
        yield as_found(beyond, name, "recoverable_percent", value, "it is not between 0 and 100", "write it in percent")
    if name == "legal_entities":
        unknown = said.filter(~pl.col("currency").is_in(list(MINOR_UNITS)))
        yield as_found(unknown, name, "currency", pl.col("currency"), "it is no currency of ISO 4217", "mend the code")
        abroad = said.filter((pl.col("payment_mode") == "sepa") & (pl.col("currency") != "EUR"))
        mend = "choose another payment_mode, or EUR"
        yield as_found(abroad, name, "payment_mode", pl.col("payment_mode"), "sepa goes with EUR alone", mend)
    if name == "section_rights":
        holders = pl.sum_horizontal(pl.col(column).is_not_null().cast(pl.Int8) for column in _HOLDERS)
        several = said.filter(holders != 1)
        why = "exactly one of employee, department and legal_entity has to be filled"
        yield as_found(several, name, None, None, why, "write a line for each")


def _orphans(name: str, whole: Whole) -> Iterator[pl.DataFrame]:
    asked = {column: known for (table, column), known in _KNOWN_IN.items() if table == name}
    if not asked:
        return
    # What says again what is in force is no news: an employee who has left may have been the owner.
    names = [column.name for column in columns(REFERENCE[name])]
    news = _said(whole.placed[name]).join(whole.before[name], on=names, how="anti", nulls_equal=True)
    for column, (table, code) in asked.items():
        known = (whole.placed.get(table, whole.tables[table])).select(pl.col(code).alias(column))
        unknown = news.filter(pl.col(column).is_not_null()).join(known, on=column, how="anti")
        yield as_found(
            unknown,
            name,
            column,
            pl.col(column),
            f"it is not in {table}",
            f"mend the code, or bring it in {table} first",
        )


def _broken_axes(axes: pl.DataFrame, before: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Unknown parents, and circles of them. A loop: axes are columns of the ledger, there are some tens of them."""
    parents: dict[str, str | None] = dict(axes.select("axis", "parent_axis").iter_rows())
    blamed = axes.with_columns(pl.coalesce("parent_place", PLACE).alias(PLACE))
    unknown = blamed.filter(pl.col("parent_axis").is_not_null() & ~pl.col("parent_axis").is_in(list(parents)))
    yield as_found(unknown, "axes", "parent_axis", pl.col("parent_axis"), "there is no such axis", "mend the code")
    in_circle = []
    for axis, parent in parents.items():
        above, seen = parent, {axis}
        while above is not None and above in parents and above not in seen:
            seen.add(above)
            above = parents[above]
        if above == axis:
            in_circle.append(axis)
    # Lines that say what was in force before close no circle.
    circle = blamed.filter(pl.col("axis").is_in(in_circle)).join(
        before.select("axis", "parent_axis"), on=["axis", "parent_axis"], how="anti"
    )
    yield as_found(
        circle,
        "axes",
        "parent_axis",
        pl.col("parent_axis"),
        "its parents go round in a circle",
        "mend one of the parents",
    )


def _broken_sections(whole: Whole) -> Iterator[pl.DataFrame]:
    if "axes" not in whole.placed and "sections" not in whole.placed:
        return
    nobody = pl.lit(None, dtype=pl.Int64)
    extras = {PLACE: nobody, "parent_place": nobody}
    axes = whole.placed.get("axes", whole.tables["axes"].with_columns(**extras))
    sections = whole.placed.get("sections", whole.tables["sections"].with_columns(**extras))
    lost = sections.join(axes, on="axis", how="anti")
    yield as_found(
        lost, "sections", "axis", pl.col("axis"), "there is no such axis", "mend the code, or bring it in axes"
    )
    placed = sections.filter(pl.col("parent_section").is_not_null()).join(
        axes.select("axis", "parent_axis", axis_place=pl.coalesce("parent_place", PLACE)), on="axis", how="inner"
    )
    above = sections.select(parent_axis="axis", parent_section="section")
    hanging = placed.join(above, on=["parent_axis", "parent_section"], how="anti")
    why = pl.format("there is no such section on axis {}", pl.col("parent_axis").fill_null("(none)"))
    own = hanging.filter(pl.col(PLACE).is_not_null())
    yield as_found(
        own, "sections", "parent_section", pl.col("parent_section"), why, "mend the code, or bring the parent"
    )
    # A section that no line speaks of hangs because its axis was put below another.
    left = hanging.filter(pl.col(PLACE).is_null()).with_columns(pl.col("axis_place").alias(PLACE)).unique(["axis"])
    yield as_found(
        left,
        "axes",
        "parent_axis",
        pl.col("parent_axis"),
        pl.format("section {} of it is below {}, which is not on that axis", "section", "parent_section"),
        "bring its sections with their new parents in the same drop",
    )


def _broken_links(whole: Whole) -> Iterator[pl.DataFrame]:
    """Rights and names of what is not there."""
    for name, target, on in (
        ("section_rights", "sections", ["axis", "section"]),
        ("section_names", "sections", ["axis", "section"]),
        ("axis_names", "axes", ["axis"]),
    ):
        if name not in whole.placed:
            continue
        known = whole.placed.get(target, whole.tables[target])
        lost = whole.placed[name].join(known, on=on, how="anti")
        code = on[-1]
        yield as_found(
            lost, name, code, pl.col(code), f"it is not in {target}", f"mend the code, or bring it in {target}"
        )
