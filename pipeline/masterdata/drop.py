"""What another system dropped: files of reference tables as they stand, every cell typed, every line findable again.

A drop is a folder or one file. Its tables are those of spec §2, with columns that only a drop has: `change`, and on
axes and sections `name_<language>`, `status` and `children` (docs/master-data.md).
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import openpyxl
import polars as pl
import pyarrow.parquet as pq

from pipeline.errors import InputError
from pipeline.sql import Session, identifier
from pipeline.stage.cast import staged_query
from pipeline.tables import BadRow, Header, RawTable, read_tables
from schemas import REFERENCE
from schemas.table import Column, Form, columns, key

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

DELETE = "delete"
ARCHIVED = "archived"
#: tables whose rows are never deleted, for entries bear their codes: the last day of such a row is its active_to
ARCHIVING = ("axes", "sections")
#: the column that names what stands above a row, and the key of what that is
PARENT = {"axes": "parent_axis", "sections": "parent_section"}
#: tables whose names come by language, and the table that keeps them
NAMES = {"axes": "axis_names", "sections": "section_names"}
#: what a file's name ends with that may hold tables
TABLES = (".csv", ".parquet", ".xlsx")
#: what is written beside a file of which lines were rejected
ERRORS = ".errors.csv"
#: the place of a line among those of its table: 1, 2, 3…
PLACE = "line_place"

_LANGUAGE = re.compile(r"name_([a-z]{2,3})")
_CHANGE = Column("change", Form.ENUM, required=False, description="what is to happen", values=("update", DELETE))
_STATUS = Column("status", Form.ENUM, required=False, description="of a section", values=("active", ARCHIVED))
_CHILDREN = Column("children", Form.TEXT, required=False, description="codes below it")
#: an ERP puts the day into the names of its files: sections-2026-11-26, sections_20261126_0615
_NAMED = re.compile(
    rf"({'|'.join(sorted(REFERENCE, key=len, reverse=True))})(?:[-_. ]+[0-9][-_.:0-9TZ ]*)?", re.IGNORECASE
)


@dataclass(frozen=True)
class DropTable:
    """A table of a drop.

    lines: a row a line that can be told apart: PLACE, the columns given (typed), key columns that were not (null), and
    `malformed` (see cast.py). cells: PLACE and the cells as they stood, text. given: the columns of the header that are
    known. bad_rows: lines that are no rows.
    """

    name: str
    path: Path
    lines: pl.DataFrame
    cells: pl.DataFrame
    given: tuple[str, ...]
    bad_rows: list[BadRow] = field(default_factory=list)

    @property
    def line_count(self) -> int:
        """How many lines came in."""
        return self.lines.height + len(self.bad_rows)

    @property
    def languages(self) -> list[str]:
        """The languages that names came in, of axes and sections."""
        if self.name not in NAMES:
            return []
        return [match.group(1) for column in self.given if (match := _LANGUAGE.fullmatch(column))]

    def uncomputed(self) -> pl.DataFrame:
        """PLACE, `column_name` and `value` of formulas of a workbook that no program computed: they read as empty."""
        schema = {PLACE: pl.Int64, "column_name": pl.String, "value": pl.String}
        if self.path.suffix.lower() != ".xlsx":
            return pl.DataFrame(schema=schema)
        formulas = _formulas(self.path, self.name, self.given)
        if not formulas:
            return pl.DataFrame(schema=schema)
        places = self.line_numbers()
        empty = self.cells.unpivot(index=PLACE, variable_name="column_name").filter(pl.col("value").is_null())
        return (
            pl.DataFrame(
                formulas, schema={"line": pl.Int64, "column_name": pl.String, "value": pl.String}, orient="row"
            )
            .join(places, on="line", how="inner")
            .join(empty.select(PLACE, "column_name"), on=[PLACE, "column_name"], how="semi")
            .select(*schema)
        )

    def line_numbers(self) -> pl.DataFrame:
        """PLACE and `line`: of a CSV file the line, of a workbook the row of the sheet, of Parquet the row."""
        kind = self.path.suffix.lower()
        count = self.lines.height
        if kind == ".parquet":
            numbers = list(range(1, count + 1))
        elif kind == ".xlsx":
            numbers = _sheet_rows(self.path, self.name)
        elif not self.bad_rows and _newlines(self.path) == count + 1:
            numbers = list(range(2, count + 2))
        else:
            numbers = _record_lines(self.path, len(self.cells.columns) - 1, count)
        return pl.DataFrame({PLACE: range(1, count + 1), "line": numbers}, schema={PLACE: pl.Int64, "line": pl.Int64})


@dataclass(frozen=True)
class Drop:
    """The tables of a drop; digest: over the bytes of its files. notes: what was read and ignored."""

    name: str
    tables: dict[str, DropTable]
    digest: str
    notes: list[str]


def table_of(path: Path) -> str:
    """The table that a file is called after, in whatever letters; a day or a number behind it is left out."""
    named = _NAMED.fullmatch(path.stem)
    return named.group(1).lower() if named else path.stem


def readable(name: str) -> str:
    """A name as it can be shown and kept: what of it is no UTF-8 becomes a mark of that."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def read_drop(drop: Path, tables: tuple[str, ...] = ()) -> Drop:
    """Reads a folder or a file; tables: those that it may bring, all where there are none.

    Raises: InputError naming what is no table, lacks a column of its key, or is no drop at all.
    """
    if not drop.exists():
        raise InputError("there is nothing by this name", where=str(drop))
    found = read_tables(drop, {name: _header(name) for name in REFERENCE}, table_of=table_of)
    notes = [readable(note) for note in [*_not_read(drop), *found.notes] if ERRORS not in note]
    strange = [name for name in found.tables if tables and name not in tables]
    notes += [
        readable(f"{found.tables[name].path}: this source may not bring {name}; it is ignored") for name in strange
    ]
    if not set(found.tables).difference(strange):
        raise InputError(
            "there is no reference table in it",
            where=str(drop),
            mend=f"call the files after their tables: {', '.join(REFERENCE)}",
        )
    typed = {name: _typed(raw) for name, raw in found.tables.items() if name not in strange}
    return Drop(readable(drop.name), {name: typed[name] for name in REFERENCE if name in typed}, digest(drop), notes)


def _not_read(drop: Path) -> list[str]:
    """What stands in a folder beside its tables, lest somebody takes it for read."""
    inside = sorted(drop.iterdir()) if drop.is_dir() else []
    return [
        f"{path.name}: it is no CSV, Parquet or XLSX file; it is ignored"
        for path in inside
        if not path.name.startswith((".", "~$")) and not (path.is_file() and path.name.lower().endswith(TABLES))
    ]


def digest(drop: Path) -> str:
    """A digest over the names and bytes of a drop's files, hidden ones and files of errors left out."""
    said = hashlib.sha256()
    for path in sorted(drop.iterdir()) if drop.is_dir() else [drop]:
        if path.is_file() and not path.name.startswith((".", "~$")) and not path.name.endswith(ERRORS):
            said.update(os.fsencode(path.name) + f"\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    return said.hexdigest()


def _header(name: str) -> Header:
    model = REFERENCE[name]
    known = {column.name for column in (*columns(model), *_extras(name))}
    required = tuple(column.name for column in columns(model) if column.required and column.name in key(model))
    return Header(frozenset(known), required, _LANGUAGE if name in NAMES else None)


def _extras(name: str) -> tuple[Column, ...]:
    return (_CHANGE, _STATUS, _CHILDREN) if name in ARCHIVING else (_CHANGE,)


def _typed(raw: RawTable) -> DropTable:
    if raw.path is None:
        message = "a drop is read from files"
        raise TypeError(message)
    source: pa.Table = pq.read_table(raw.source) if isinstance(raw.source, Path) else raw.source
    given = tuple(raw.types)
    source = source.select(list(given))
    try:
        frame = pl.DataFrame(pl.from_arrow(source)).with_row_index(PLACE, offset=1).cast({PLACE: pl.Int64})
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise _unread(raw.path, error) from None
    model = REFERENCE[raw.name]
    known = {column.name: column for column in (*columns(model), *_extras(raw.name))}
    wanted = [known.get(name) or Column(name, Form.TEXT, required=False, description="") for name in given]
    wanted += [column for column in columns(model) if column.name in key(model) and column.name not in given]
    place = Column(PLACE, Form.BIGINT, required=True, description="its place")
    with Session() as session:
        session.register("given_rows", frame)
        names = ", ".join(identifier(column.name) for column in (place, *wanted))
        try:
            lines = session.query(
                f"select {names}, malformed from ("
                + staged_query("given_rows", [place, *wanted], {**raw.types, PLACE: "BIGINT"}, origin="batch")
                + f") order by {PLACE}"
            )
        except duckdb.Error as error:
            raise _unread(raw.path, error) from None
    try:
        cells = frame.with_columns(pl.exclude(PLACE).cast(pl.String))
    except pl.exceptions.PolarsError as error:
        raise _unread(raw.path, error) from None
    return DropTable(raw.name, raw.path, lines, cells, given, list(raw.bad_rows))


def _unread(path: Path, error: Exception) -> InputError:
    """A file of which a column holds what is neither text, number nor day."""
    said = f"the file cannot be read ({str(error).splitlines()[0]})"
    return InputError(said, where=str(path), mend="write it again, its codes and names as text, its days as dates")


def _newlines(path: Path) -> int:
    content = path.read_bytes()
    return content.count(b"\n") + (not content.endswith(b"\n"))


def _record_lines(path: Path, width: int, count: int) -> list[int]:
    """The lines on which the records of a CSV file begin: where cells hold line breaks, or lines are blank or bad.

    width: of the columns that are known; the header says how wide a record is.
    """
    lines: list[int] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        csv.field_size_limit(max(csv.field_size_limit(), path.stat().st_size))
        reader = csv.reader(file)
        width = max(width, len(next(reader, [])))
        begin = reader.line_num + 1
        for row in reader:
            if row and len(row) == width:
                lines.append(begin)
            begin = reader.line_num + 1
    # Two readers that count differently (pipeline/tables.py) leave the place for the line.
    return lines if len(lines) == count else list(range(1, count + 1))


def _sheet_rows(path: Path, name: str) -> list[int]:
    """The rows of a sheet that hold a cell, the header left out."""
    return [
        number
        for number, row in _sheet(path, name, computed=True)
        if number > 1 and any(cell not in (None, "") for cell in row)
    ]


def _formulas(path: Path, name: str, given: tuple[str, ...]) -> list[tuple[int, str, str]]:
    """Row, column and text of the formulas of a sheet below the columns that are known."""
    header: list[str] = []
    found = []
    for number, row in _sheet(path, name, computed=False):
        if number == 1:
            header = ["" if cell is None else str(cell).strip() for cell in row]
            continue
        found += [
            (number, column, cell)
            for column, cell in zip(header, row, strict=False)
            if column in given and isinstance(cell, str) and cell.startswith("=")
        ]
    return found


def _sheet(path: Path, name: str, *, computed: bool) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """The rows of a sheet with their numbers; formulas as what they came to, or as they are written."""
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as pipeline/tables.py
        workbook = openpyxl.load_workbook(file, read_only=True, data_only=computed)
        sheet = next(sheet for sheet in workbook.worksheets if sheet.title == name)
        sheet.reset_dimensions()
        yield from enumerate(sheet.iter_rows(values_only=True), start=1)
        workbook.close()
