"""The reference tables, typed and whole: no document is judged by a broken reference (spec §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from pipeline.errors import BrokenReferenceError, InputError
from pipeline.sql import Session, identifier
from pipeline.stage.cast import staged_query
from pipeline.tables import read_tables
from schemas import REFERENCE
from schemas.currencies import MINOR_UNITS
from schemas.table import columns, empty, key, validate

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.tables import RawTable
    from schemas.table import Table

REQUIRED = ("legal_entities", "journals", "employees", "affiliations", "chart_of_accounts")
_SHOWN = 20


def read_reference(directory: Path) -> dict[str, pl.DataFrame]:
    """Reads every reference table of spec §2; those that may be missing are then empty.

    Defaults are filled in: an employee's auxiliary is their code, a fiscal year starts on 01-01.
    Raises: InputError for a table that must be there or cannot be read; BrokenReferenceError naming every bad row.
    """
    found = read_tables(directory, REFERENCE)
    missing = [table for table in REQUIRED if table not in found.tables]
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
    faults += _broken_links(frames)
    if faults:
        rest = f"\n  … and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise BrokenReferenceError(
            f"{len(faults)} rows are broken:\n  " + "\n  ".join(faults[:_SHOWN]) + rest,
            where=str(directory),
            mend="mend them and give the command again; nothing was posted",
        )
    frames["employees"] = frames["employees"].with_columns(auxiliary=pl.coalesce("auxiliary", "employee"))
    frames["legal_entities"] = frames["legal_entities"].with_columns(
        fiscal_year_start=pl.coalesce("fiscal_year_start", pl.lit("01-01"))
    )
    for table, frame in frames.items():
        validate(frame, REFERENCE[table])
    return frames


def _typed(session: Session, raw: RawTable, model: type[Table], faults: list[str]) -> pl.DataFrame:
    """Types a table's cells; a cell or row that is not as its model says becomes a fault."""
    if raw.path is raw.source:
        relation = "read_parquet('" + str(raw.source).replace("'", "''") + "')"
    else:
        relation = f"raw_{raw.name}"
        session.register(relation, raw.source)
    for bad in raw.bad_rows:
        faults.append(f"{raw.name} line {bad.line}: {bad.reason}")
    session.create("staged", staged_query(relation, columns(model), raw.types, origin="batch", first=1))
    names = [column.name for column in columns(model)]
    cells = ", ".join(f"coalesce({identifier(name)}::varchar, '')" for name in key(model))
    named = f"'{raw.name} ' || concat_ws('|', {cells})"
    faults += session.query(
        f"select {named} || ': ' || cell.column_name || ' cannot be ' || cell.value as fault "
        "from (select *, unnest(malformed) as cell from staged where malformed is not null) order by fault"
    )["fault"].to_list()
    for column in columns(model):
        if not column.required:
            continue
        faults += session.query(
            f"select {named} || ': {column.name} is required and empty' as fault from staged "
            f"where {identifier(column.name)} is null and not list_contains("
            f"list_transform(coalesce(malformed, []), lambda cell: cell.column_name), '{column.name}') order by fault"
        )["fault"].to_list()
    keys = ", ".join(identifier(name) for name in key(model))
    faults += session.query(
        f"select {named} || ': this key stands ' || count(*) || ' times' as fault from staged "
        f"group by {keys} having count(*) > 1 order by fault"
    )["fault"].to_list()
    return session.query(f"select {', '.join(identifier(name) for name in names)} from staged order by all")


def _broken_links(tables: dict[str, pl.DataFrame]) -> list[str]:
    """Finds what only several rows or tables show: unknown parents, cycles, a currency that SEPA or ISO 4217 lacks."""
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
    for table in ("journals", "affiliations", "chart_of_accounts", "payment_methods", "bank_accounts"):
        names = list(key(REFERENCE[table]))
        strangers = tables[table].filter(pl.col("legal_entity") != "*").join(entities, on="legal_entity", how="anti")
        if table in ("affiliations", "bank_accounts"):
            strangers = tables[table].join(entities, on="legal_entity", how="anti")
        faults += [
            f"{table} {'|'.join(map(str, row))}: there is no legal entity {entity}"
            for *row, entity in strangers.select(
                *(pl.col(name).alias(f"key_{name}") for name in names), "legal_entity"
            ).iter_rows()
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
    for axis in parents:
        seen, above = {axis}, parents[axis]
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
