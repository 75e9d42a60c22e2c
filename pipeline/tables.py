"""Tables in: CSV, Parquet and XLSX, by table name; what cannot be read at all names the file and the line (spec §2).

A bad row is kept apart, to be quarantined; only a file that is no table fails.
"""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openpyxl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pipeline.errors import InputError
from schemas.table import columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from schemas.table import Table

_BOM = b"\xef\xbb\xbf"
_BLOCK = 1 << 24
#: a workbook may unfold to this many bytes, and to this many times its own size, before it is refused
_LARGEST_MEMBER = 4 << 30
_LARGEST_RATIO = 200


@dataclass(frozen=True)
class BadRow:
    """A line of a CSV file that has another number of cells than its header."""

    line: int | None
    text: str
    reason: str


@dataclass(frozen=True)
class RawTable:
    """A table as it was found.

    source: an Arrow table, or the path of one Parquet file. types: each column of the model that is there → 'VARCHAR' for
    text, else DuckDB's name of the Parquet column's type. bad_rows: lines that are no rows.
    """

    name: str
    path: Path | None
    source: pa.Table | Path
    types: dict[str, str]
    bad_rows: list[BadRow] = field(default_factory=list)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the model that are there."""
        return tuple(self.types)

    @classmethod
    def from_arrow(cls, name: str, table: pa.Table) -> RawTable:
        """A table made here, of text."""
        return cls(name, None, table, dict.fromkeys(table.column_names, "VARCHAR"))


@dataclass(frozen=True)
class Tables:
    """The tables of a directory, and what is to be said of it once."""

    tables: dict[str, RawTable]
    notes: list[str]


def read_tables(directory: Path, models: Mapping[str, type[Table]]) -> Tables:
    """Reads every table of `models` that `directory` has, from `<table>.csv`, `<table>.parquet` or sheets of workbooks.

    Raises: InputError naming file and line for a file that is no table, a required column that is missing, and a table
    that stands in two files.
    """
    tables: dict[str, RawTable] = {}
    notes: list[str] = []
    for path in sorted(directory.iterdir()):
        for raw, extra in _read_file(path, models):
            if raw.name in tables:
                raise InputError(
                    f"table {raw.name} also stands in {tables[raw.name].path}",
                    where=str(path),
                    mend="leave one of the two: a table comes from one file",
                )
            tables[raw.name] = raw
            if extra:
                notes.append(f"{path.name}: {raw.name} has columns that are not known and ignored: {', '.join(extra)}")
    return Tables(tables, notes)


def _read_file(path: Path, models: Mapping[str, type[Table]]) -> Iterator[tuple[RawTable, list[str]]]:
    kind = path.suffix.lower()
    if not path.is_file() or path.name.startswith((".", "~$")):
        return
    if kind == ".csv" and path.stem in models:
        table, bad_rows = _read_csv(path)
        yield _known_columns(path.stem, path, table, models[path.stem], bad_rows)
    elif kind == ".parquet" and path.stem in models:
        yield _read_parquet(path, models[path.stem])
    elif kind == ".xlsx":
        for name, table in _read_workbook(path, models):
            yield _known_columns(name, path, table, models[name], [])


def _known_columns(
    name: str, path: Path, table: pa.Table, model: type[Table], bad_rows: list[BadRow]
) -> tuple[RawTable, list[str]]:
    known = {column.name for column in columns(model)}
    _check_header(table.column_names, model, path, name)
    present = [column for column in table.column_names if column in known]
    extra = [column for column in table.column_names if column not in known]
    return RawTable(name, path, table.select(present), dict.fromkeys(present, "VARCHAR"), bad_rows), extra


def _check_header(header: list[str], model: type[Table], path: Path, name: str) -> None:
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise InputError(f"column {twice[0]} stands twice in the header", where=f"{path} line 1", mend="remove one")
    missing = [column.name for column in columns(model) if column.required and column.name not in header]
    if missing:
        raise InputError(
            f"table {name} lacks the required column {', '.join(missing)}; it has {', '.join(header) or 'none'}",
            where=f"{path} line 1",
            mend="add it to the header, spelt as here; columns are separated by commas",
        )


def _read_csv(path: Path) -> tuple[pa.Table, list[BadRow]]:
    raw = path.read_bytes()
    content = raw.removeprefix(_BOM)
    _check_text(content, path)
    if not content.strip():
        raise InputError("the file is empty", where=f"{path} line 1", mend="write at least the header")
    header = next(csv.reader(io.StringIO(content[: content.find(b"\n") + 1 or len(content)].decode("utf-8"))))
    header = [name.strip() for name in header]
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise InputError(f"column {twice!r} stands twice in the header", where=f"{path} line 1", mend="remove one")
    bad_rows: list[BadRow] = []

    def keep_apart(row: pa.csv.InvalidRow) -> str:
        bad_rows.append(
            BadRow(row.number, row.text, f"{row.actual_columns} cells where the header has {row.expected_columns}")
        )
        return "skip"

    quotes = content.count(b'"')
    if quotes % 2:
        raise InputError(
            "a quotation mark is never closed, so where rows end cannot be told",
            where=f"{path} line {_line_of_stray_quote(content)}",
            mend='close it, or double it inside a quoted cell ("")',
        )
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(content),
            read_options=pa.csv.ReadOptions(
                column_names=header, skip_rows=1, block_size=max(_BLOCK, 1), use_threads=True
            ),
            parse_options=pa.csv.ParseOptions(newlines_in_values=quotes > 0, invalid_row_handler=keep_apart),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()),
                strings_can_be_null=True,
                null_values=[""],
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error) or content.count(b"\n") <= 1:
            return pa.table({name: pa.array([], pa.string()) for name in header}), []
        raise InputError(
            f"the file cannot be read as CSV ({error})", where=f"{path}", mend="write it as RFC 4180 says"
        ) from None
    if quotes:
        _check_record_count(content, table.num_rows + len(bad_rows), path)
    return table, bad_rows


def _check_text(content: bytes, path: Path) -> None:
    nul = content.find(b"\0")
    if nul >= 0:
        raise InputError(
            "the file holds NUL bytes: it is no text",
            where=f"{path} line {content.count(10, 0, nul) + 1}",
            mend="save it as CSV in UTF-8",
        )
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"byte {content[error.start]:#04x} is not UTF-8",
            where=f"{path} line {content.count(10, 0, error.start) + 1}",
            mend="save the file in UTF-8",
        ) from None


def _check_record_count(content: bytes, found: int, path: Path) -> None:
    """Two readers must find as many records, so that no quotation mark swallows the lines after it."""
    said = sum(1 for row in csv.reader(io.StringIO(content.decode("utf-8"), newline="")) if row) - 1
    if said != found:
        raise InputError(
            f"{found} rows or {said}, according to how quotation marks are read",
            where=f"{path} line {_line_of_stray_quote(content)}",
            mend='quote whole cells only, and double a quotation mark inside one ("")',
        )


def _line_of_stray_quote(content: bytes) -> int:
    """The first line on which a quotation mark stands inside a cell that is not quoted, else the last one's."""
    for number, line in enumerate(content.split(b"\n"), start=1):
        for cell in line.rstrip(b"\r").split(b","):
            if b'"' in cell and not cell.startswith(b'"') and not cell.endswith(b'"'):
                return number
    return content.count(10, 0, content.rfind(b'"')) + 1


def _read_parquet(path: Path, model: type[Table]) -> tuple[RawTable, list[str]]:
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            f"the file cannot be read as Parquet ({error})", where=str(path), mend="write it again"
        ) from None
    _check_header(schema.names, model, path, path.stem)
    known = {column.name for column in columns(model)}
    types = {name: _duckdb_type(schema.field(name).type) for name in schema.names if name in known}
    return RawTable(path.stem, path, path, types), [name for name in schema.names if name not in known]


def _duckdb_type(kind: pa.DataType) -> str:
    """DuckDB's name of an Arrow type, where a cell of it needs no parsing; else it is read as text."""
    names = {
        pa.int8(): "TINYINT",
        pa.int16(): "SMALLINT",
        pa.int32(): "INTEGER",
        pa.int64(): "BIGINT",
        pa.uint8(): "UTINYINT",
        pa.uint16(): "USMALLINT",
        pa.uint32(): "UINTEGER",
        pa.date32(): "DATE",
    }
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP"
    return names.get(kind, "VARCHAR")


def _read_workbook(path: Path, models: Mapping[str, type[Table]]) -> Iterator[tuple[str, pa.Table]]:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.file_size > _LARGEST_MEMBER or member.file_size > _LARGEST_RATIO * max(
                    member.compress_size, 1024
                ):
                    raise InputError(
                        f"its part {member.filename} unfolds to {member.file_size:,} bytes",
                        where=str(path),
                        mend="send the table as CSV or Parquet",
                    )
        workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise InputError(f"the file cannot be read as XLSX ({error})", where=str(path), mend="save it again") from None
    for sheet in workbook.worksheets:
        if sheet.title not in models:
            continue
        rows = sheet.iter_rows(values_only=True)
        header = [str(name).strip() for name in next(rows, ()) if name is not None]
        if len(set(header)) < len(header):
            raise InputError(f"sheet {sheet.title} has a column twice", where=f"{path} line 1", mend="remove one")
        cells: list[list[str | None]] = [[] for _ in header]
        for row in rows:
            texts = [_cell_text(cell) for cell in row[: len(header)]]
            if any(text is not None for text in texts):
                for column, text in zip(cells, texts + [None] * (len(header) - len(texts)), strict=True):
                    column.append(text)
        yield (
            sheet.title,
            pa.table({name: pa.array(column, pa.string()) for name, column in zip(header, cells, strict=True)}),
        )
    workbook.close()


def _cell_text(cell: Any) -> str | None:
    """What a CSV file would hold in place of the cell."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(sep=" ")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float):
        number = Decimal(repr(cell))
        return f"{number:f}".removesuffix(".0")
    return str(cell)
