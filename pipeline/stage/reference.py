"""The reference tables, typed and whole: no document is judged by a broken reference (spec §2)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from pipeline.errors import BrokenReferenceError, InputError
from pipeline.sql import Session, files_read, identifier
from pipeline.stage.cast import staged_query
from pipeline.stage.reference_place import tables_in_force
from pipeline.tables import read_tables
from schemas import REFERENCE
from schemas.currencies import MINOR_UNITS
from schemas.table import columns, empty, key, validate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.tables import RawTable
    from schemas.table import Table

REQUIRED = ("legal_entities", "journals", "employees", "affiliations", "chart_of_accounts")
#: an axis becomes a column, axis_<axis> (spec §2)
AXIS = r"^[a-z][a-z0-9_]{0,29}\z"
LANGUAGE = r"^[a-z]{2,3}\z"


def read_reference(directory: Path, notes: list[str] | None = None) -> dict[str, pl.DataFrame]:
    """Reads every reference table of spec §2; those that may be missing are then empty.

    directory: of the tables, or of their versions (reference_place.py). Defaults are filled in: an employee's auxiliary
    is their code, a fiscal year starts on 01-01. notes: where what was read and ignored is to be added.
    Raises: InputError for a table that must be there or cannot be read; BrokenReferenceError naming every bad row.
    """
    directory = tables_in_force(directory, notes)
    frames = read_as_given(directory, notes)
    frames["employees"] = frames["employees"].with_columns(auxiliary=pl.coalesce("auxiliary", "employee"))
    frames["legal_entities"] = frames["legal_entities"].with_columns(
        fiscal_year_start=pl.coalesce("fiscal_year_start", pl.lit("01-01"))
    )
    for table, frame in frames.items():
        if not frame.is_empty():
            validate(frame, REFERENCE[table])
    return frames


def read_as_given(
    directory: Path, notes: list[str] | None = None, *, required: Iterable[str] = REQUIRED
) -> dict[str, pl.DataFrame]:
    """Reads the tables of a directory without filling in defaults, and holds them to the rules of a whole reference.

    required: the tables that must be there. Raises: as read_reference.
    """
    found = read_tables(directory, REFERENCE)
    if notes is not None:
        notes += found.notes
    missing = [table for table in required if table not in found.tables]
    if missing:
        raise InputError(
            f"the reference tables {', '.join(missing)} are missing",
            where=str(directory),
            mend="add them, by these names",
        )
    faults: list[str] = []
    frames = {}
    with Session([directory]) as session:
        for table, model in REFERENCE.items():
            raw = found.tables.get(table)
            frames[table] = empty(model) if raw is None else _typed(session, raw, model, faults)
    faults += _out_of_bounds(frames) + _broken_links(frames)
    if faults:
        raise BrokenReferenceError(
            f"{len(faults)} rows are broken:\n  " + "\n  ".join(faults),
            where=str(directory),
            mend="mend them and give the command again; nothing was posted",
        )
    return frames


def _typed(session: Session, raw: RawTable, model: type[Table], faults: list[str]) -> pl.DataFrame:
    """Types a table's cells; a cell or row that is not as its model says becomes a fault."""
    if not isinstance(raw.source, Path) and raw.source.num_rows == 0 and not raw.bad_rows:
        return empty(model)
    if isinstance(raw.source, Path):
        relation = f"read_parquet({files_read([raw.source])})"
    else:
        relation = f"raw_{raw.name}"
        session.register(relation, raw.source)
    faults += [f"{raw.name} line {bad.line}: {bad.reason}: {bad.text}" for bad in raw.bad_rows]
    names = [column.name for column in columns(model)]
    try:
        staged = session.query(
            f"select {', '.join(identifier(name) for name in names)}, malformed from ("
            f"{staged_query(relation, columns(model), raw.types, origin='batch')}) order by all"
        )
    except duckdb.Error as error:
        raise InputError(
            f"the file cannot be read ({str(error).splitlines()[0]})", where=str(raw.path), mend="write it again"
        ) from None
    faults += _faults(raw.name, staged, model)
    return staged.drop("malformed")


def _faults(table: str, staged: pl.DataFrame, model: type[Table]) -> list[str]:
    """Names every row of a staged table that lacks a cell, has one that cannot be read, or whose key stands again."""
    required = [column.name for column in columns(model) if column.required]
    keys = list(key(model))
    unread = staged["malformed"].null_count() < staged.height
    if not unread and not any(staged[name].null_count() for name in required):
        broken = staged.clear()
    else:
        broken = staged.filter(pl.col("malformed").is_not_null() | pl.any_horizontal(pl.col(*required).is_null()))
    faults = []
    for row in broken.iter_rows(named=True):
        wrong = {cell["column_name"]: cell["value"] for cell in row["malformed"] or ()}
        named = f"{table} {_joined(wrong.get(name, cell) for name, cell in row.items() if name in keys)}"
        faults += [f"{named}: {name} cannot be {value}" for name, value in wrong.items()]
        empty_cells = [name for name in required if row[name] is None and name not in wrong]
        faults += [f"{named}: {name} is required and empty" for name in empty_cells]
    whole = staged.select(keys).drop_nulls([name for name in keys if name in required])
    twice = whole.is_duplicated()
    if not twice.any():
        return faults
    counted = whole.filter(twice).group_by(keys).len().sort(keys, nulls_last=True)
    return faults + [f"{table} {_joined(row)}: this key stands {times} times" for *row, times in counted.iter_rows()]


def _joined(cells: Iterable[object]) -> str:
    return "|".join("" if cell is None else str(cell) for cell in cells)


def _out_of_bounds(tables: dict[str, pl.DataFrame]) -> list[str]:
    """Finds cells of the right type that say nothing possible: an axis that cannot be a column, a VAT above 100 %."""
    axes, rates = tables["axes"], tables["vat_codes"]
    strange = axes.filter(~pl.col("axis").str.contains(AXIS))
    faults = [
        f"axes {axis}: it is to be a column: a letter of a-z, then up to 29 of a-z, 0-9 and _"
        for axis in strange["axis"].drop_nulls()
    ]
    faults += [
        f"{table} {'|'.join(row)}: the language is two or three small letters of ISO 639, as fr"
        for table, named in (("axis_names", ("axis", "language")), ("section_names", ("axis", "section", "language")))
        for row in tables[table].filter(~pl.col("language").str.contains(LANGUAGE)).select(named).drop_nulls().rows()
    ]
    for column, most in (("rate", None), ("recoverable_percent", 100)):
        beyond = pl.col(column) < 0 if most is None else ~pl.col(column).is_between(0, most)
        said = "0 or more" if most is None else f"between 0 and {most}"
        faults += [
            f"vat_codes {code}: {column} is {said}, not {value}"
            for code, value in rates.filter(beyond).select("vat_code", column).iter_rows()
        ]
    return faults


def _broken_links(tables: dict[str, pl.DataFrame]) -> list[str]:
    """Finds what only several rows or tables show: unknown parents, cycles, a currency that SEPA or ISO 4217 lacks.

    Accounts, journals and methods of a legal entity that is not there are never asked for, and break nothing.
    """
    entities = tables["legal_entities"]
    faults = [
        f"legal_entities {entity}: {currency} is no currency of ISO 4217"
        for entity, currency in entities.filter(~pl.col("currency").is_in(list(MINOR_UNITS)))
        .select("legal_entity", "currency")
        .iter_rows()
    ]
    faults += [
        f"legal_entities {entity}: payment_mode sepa goes with EUR, not with {currency}"
        for entity, currency in entities.filter((pl.col("payment_mode") == "sepa") & (pl.col("currency") != "EUR"))
        .select("legal_entity", "currency")
        .iter_rows()
    ]
    return faults + _broken_hierarchy(tables)


def _broken_hierarchy(tables: dict[str, pl.DataFrame]) -> list[str]:
    axes, sections, rights = tables["axes"], tables["sections"], tables["section_rights"]
    parents = dict(axes.select("axis", "parent_axis").iter_rows())
    faults = [
        f"axes {axis}: there is no parent axis {parent}"
        for axis, parent in parents.items()
        if parent is not None and parent not in parents
    ]
    for axis, parent in parents.items():
        seen, above = {axis}, parent
        while above is not None and above in parents:
            if above in seen:
                faults.append(f"axes {axis}: its parents go round in a circle")
                break
            seen.add(above)
            above = parents[above]
    faults += [
        f"sections {axis}|{section}: there is no axis {axis}"
        for axis, section in sections.join(axes, on="axis", how="anti").select("axis", "section").iter_rows()
    ]
    placed = sections.filter(pl.col("parent_section").is_not_null()).join(
        axes.select("axis", "parent_axis"), on="axis", how="inner"
    )
    lost = placed.join(
        sections.select(parent_axis="axis", parent_section="section"), on=["parent_axis", "parent_section"], how="anti"
    )
    faults += [
        f"sections {axis}|{section}: there is no parent section {parent} on axis {above or '(none)'}"
        for axis, section, parent, above in lost.select("axis", "section", "parent_section", "parent_axis").iter_rows()
    ]
    faults += [
        f"axis_names {axis}: there is no such axis"
        for (axis,) in tables["axis_names"].join(axes, on="axis", how="anti").select("axis").iter_rows()
    ]
    faults += [
        f"section_names {axis}|{section}: there is no such section"
        for axis, section in tables["section_names"]
        .join(sections, on=["axis", "section"], how="anti")
        .select("axis", "section")
        .iter_rows()
    ]
    faults += [
        f"section_rights {axis}|{section}: there is no such section"
        for axis, section in rights.join(sections, on=["axis", "section"], how="anti")
        .select("axis", "section")
        .iter_rows()
    ]
    holders = pl.sum_horizontal(
        pl.col(name).is_not_null().cast(pl.Int8) for name in ("employee", "department", "legal_entity")
    )
    faults += [
        f"section_rights {axis}|{section}: exactly one of employee, department and legal_entity has to be filled"
        for axis, section in rights.filter(holders != 1).select("axis", "section").iter_rows()
    ]
    return faults
