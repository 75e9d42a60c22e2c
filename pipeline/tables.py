"""Tables in: CSV, Parquet and XLSX, by table name; what cannot be read at all names the file and the line (spec §2).

A bad row is kept apart, to be quarantined; only a file that is no table fails.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openpyxl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from pipeline.archives import check_members
from pipeline.errors import InputError
from schemas import MOVEMENTS, REFERENCE
from schemas.table import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from schemas.table import Table

_BOM = b"\xef\xbb\xbf"
_BLOCK = 1 << 24
#: a workbook may unfold to this many bytes, and to this many times its own size, before it is refused
_LARGEST_MEMBER = 4 << 30
#: a line of cells: quoted ones whole, with the line breaks in them
_LINE = re.compile(rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^"\r\n])*+')
#: as far as every quotation mark opens a cell, closes it, or is doubled inside one (RFC 4180)
_WELL_QUOTED = re.compile(rb'[^"]*+(?:(?<![^,\r\n])"[^"]*+(?:""[^"]*+)*+"(?![^,\r\n])[^"]*+)*+')
#: in a path DuckDB takes these for a pattern, or for the value of a column
_PATTERN = re.compile(r"[*?\[{=]")


@dataclass(frozen=True)
class BadRow:
    """A line of a CSV file that has another number of cells than its header."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True)
class RawTable:
    """A table as it was found.

    source: an Arrow table, or the path of one Parquet file. types: each column of the model that is there → 'VARCHAR'
    for text, else DuckDB's name of the Parquet column's type. bad_rows: lines that are no rows.
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


@dataclass(frozen=True)
class Header:
    """What the header of a table may and must hold; also: a pattern of names that are known besides."""

    known: frozenset[str]
    required: tuple[str, ...]
    also: re.Pattern[str] | None = None

    @classmethod
    def of(cls, model: type[Table]) -> Header:
        """The header of a model's table."""
        found = columns(model)
        return cls(
            frozenset(column.name for column in found), tuple(column.name for column in found if column.required)
        )

    def knows(self, name: str) -> bool:
        """Whether a column is one of the table's."""
        return name in self.known or (self.also is not None and self.also.fullmatch(name) is not None)


def _stem(path: Path) -> str:
    return path.stem


def read_tables(
    directory: Path,
    models: Mapping[str, type[Table]] | Mapping[str, Header],
    *,
    table_of: Callable[[Path], str] = _stem,
) -> Tables:
    """Reads every table of `models` that `directory` has, from `<table>.csv`, `<table>.parquet` or sheets of workbooks.

    directory: or one file alone. table_of: the table that a file is called after.
    Raises: InputError naming file and line for a file that is no table, a required column that is missing, and a table
    that stands in two files.
    """
    tables: dict[str, RawTable] = {}
    notes: list[str] = []
    headers = {name: model if isinstance(model, Header) else Header.of(model) for name, model in models.items()}
    for path in sorted(directory.iterdir()) if directory.is_dir() else [directory]:
        if not path.is_file() or path.name.startswith((".", "~$")):
            continue
        try:
            for raw, extra in _read_file(path, table_of(path), headers, notes):
                if raw.name in tables:
                    raise InputError(
                        f"table {raw.name} also stands in {tables[raw.name].path}",
                        where=str(path),
                        mend="leave one of the two: a table comes from one file",
                    )
                tables[raw.name] = raw
                if extra:
                    notes.append(
                        f"{path.name}: {raw.name} has columns that are not known and ignored: {_listed(extra)}"
                    )
        except OSError as error:
            raise InputError(f"the file cannot be read ({error.strerror or error})", where=str(path)) from None
    return Tables(tables, notes)


def _read_file(
    path: Path, name: str, headers: Mapping[str, Header], notes: list[str]
) -> Iterator[tuple[RawTable, list[str]]]:
    kind = path.suffix.lower()
    if kind == ".xlsx":
        yield from _read_workbook(path, headers, notes)
    elif kind == ".csv" and name in headers:
        table, bad_rows = _read_csv(path)
        yield _known_columns(name, path, f"{path} line 1", table, headers[name], bad_rows)
    elif kind == ".parquet" and name in headers:
        yield _read_parquet(path, name, headers[name])
    elif kind in (".csv", ".parquet"):
        _note_stranger(name, path.name, notes)


def _note_stranger(name: str, where: str, notes: list[str]) -> None:
    """Says that something is no table, lest a name that is spelt wrong passes for an empty table."""
    if name not in MOVEMENTS and name not in REFERENCE:
        notes.append(f"{where}: there is no table {name}; it is ignored")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(name or "one without a name" for name in names)


def _known_columns(
    name: str, path: Path, where: str, table: pa.Table, header: Header, bad_rows: list[BadRow]
) -> tuple[RawTable, list[str]]:
    _check_header(table.column_names, header, where, name)
    present = [place for place, column in enumerate(table.column_names) if header.knows(column)]
    extra = [column for column in table.column_names if not header.knows(column)]
    found = table.select(present)
    return RawTable(name, path, found, dict.fromkeys(found.column_names, "VARCHAR"), bad_rows), extra


def _check_header(header: list[str], expected: Header, where: str, name: str) -> None:
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise InputError(f"column {twice[0]} stands twice in the header of {name}", where=where, mend="remove one")
    missing = [column for column in expected.required if column not in header]
    if missing:
        raise InputError(
            f"table {name} lacks the required column {', '.join(missing)}; it has {_listed(header) or 'none'}",
            where=where,
            mend="add it to the header, spelt as here; columns are separated by commas",
        )


def _read_csv(path: Path) -> tuple[pa.Table, list[BadRow]]:
    content = path.read_bytes().removeprefix(_BOM)
    _check_text(content, path)
    if not content.strip():
        raise InputError("the file is empty", where=f"{path} line 1", mend="write at least the header")
    has_quotes = b'"' in content
    if has_quotes:
        _check_quotes(content, path)
    end = _LINE.match(content).end()  # type: ignore[union-attr]  # it matches anything
    header = [name.strip() for name in next(csv.reader([content[:end].decode("utf-8")]), [])]
    if not content[end : end + 4096].strip(b"\r\n") and not content[end:].strip(b"\r\n"):
        return pa.Table.from_arrays([pa.array([], pa.string()) for _ in header], names=header), []
    body = pa.py_buffer(content).slice(end)
    table, bad_rows = _parse_csv(body, len(header), path, has_quotes=has_quotes)
    table = table.rename_columns(header)
    if bad_rows:
        _, texts = _parse_csv(body, len(header), path, has_quotes=has_quotes, in_order=True)
        lines = _ragged_lines(content, len(header))
        bad_rows = [replace(row, line=line) for row, line in zip(texts, lines, strict=True)]
    _check_record_count(content, table.num_rows + len(bad_rows), path, has_quotes=has_quotes)
    return table, bad_rows


def _parse_csv(
    body: pa.Buffer, width: int, path: Path, *, has_quotes: bool, in_order: bool = False, block: int = _BLOCK
) -> tuple[pa.Table, list[BadRow]]:
    """Reads the lines below a header as `width` columns of text.

    in_order: one thread alone, so that the bad rows come in the order of the file; their lines are told later.
    """
    bad_rows: list[BadRow] = []

    def keep_apart(row: pa.csv.InvalidRow) -> str:
        said = f"{row.actual_columns} cells where the header has {row.expected_columns}"
        bad_rows.append(BadRow(0, row.text, said))
        return "skip"

    names = [str(place) for place in range(width)]
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(body),
            read_options=pa.csv.ReadOptions(column_names=names, block_size=block, use_threads=not in_order),
            parse_options=pa.csv.ParseOptions(newlines_in_values=has_quotes, invalid_row_handler=keep_apart),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=True,
                null_values=[""],
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        if block <= body.size:  # a row longer than a block
            return _parse_csv(
                body, width, path, has_quotes=has_quotes, in_order=in_order, block=min(body.size + 1, (1 << 31) - 1)
            )
        raise InputError(
            f"the file cannot be read as CSV ({error})", where=str(path), mend="write it as RFC 4180 says"
        ) from None
    return table, bad_rows


def _ragged_lines(content: bytes, width: int) -> list[int]:
    """The lines on which rows begin that have another number of cells than the header."""
    lines, begin = [], 1
    reader = _records(content)
    for row in reader:
        if row and len(row) != width:
            lines.append(begin)
        begin = reader.line_num + 1
    return lines


def _records(content: bytes) -> Any:
    csv.field_size_limit(max(csv.field_size_limit(), len(content)))
    return csv.reader(io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline=""))


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


def _check_quotes(content: bytes, path: Path) -> None:
    """Finds a quotation mark that would swallow the lines after it, or that two readers would take for two things."""
    end = _WELL_QUOTED.match(content).end()  # type: ignore[union-attr]  # it matches anything
    if end < len(content):
        raise InputError(
            "a quotation mark stands inside a cell or is never closed, so where cells end cannot be told",
            where=f"{path} line {content.count(10, 0, end) + 1}",
            mend='quote whole cells only, and double a quotation mark inside one ("")',
        )


def _check_record_count(content: bytes, found: int, path: Path, *, has_quotes: bool) -> None:
    """Two readers must find as many records, so that nothing is swallowed without a word."""
    lines = content.count(b"\n") + (not content.endswith(b"\n")) - 1
    if lines == found and (not has_quotes or b"\r" not in content.replace(b"\r\n", b"")):
        return
    said = sum(1 for row in _records(content) if row) - 1
    if said != found:
        raise InputError(
            f"{found} rows or {said}, according to how line breaks and quotation marks are read",
            where=str(path),
            mend="write it as RFC 4180 says",
        )


def _read_parquet(path: Path, table_name: str, header: Header) -> tuple[RawTable, list[str]]:
    try:
        schema = pq.read_schema(path)
        _check_header(schema.names, header, str(path), table_name)
        present = [name for name in schema.names if header.knows(name)]
        extra = [name for name in schema.names if not header.knows(name)]
        nested = [name for name in present if pa.types.is_nested(schema.field(name).type)]
        if nested:
            raise InputError(
                f"column {nested[0]} holds {schema.field(nested[0]).type}, not one value a row",
                where=str(path),
                mend="write plain columns",
            )
        twins = len({name.lower() for name in schema.names}) < len(schema.names)
        if (
            not twins
            and not _PATTERN.search(str(path))
            and not any(_is_odd(schema.field(name).type) for name in present)
        ):
            _check_pages(path, present)
            types = {name: _duckdb_type(schema.field(name).type) for name in present}
            return RawTable(table_name, path, path, types), extra
        with pq.ParquetFile(path) as file:
            table = file.read(columns=present)
        for place, name in enumerate(table.column_names):
            if _is_odd(table.schema.field(name).type):
                table = table.set_column(place, name, _as_text(table.column(name)))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise InputError(
            f"the file cannot be read as Parquet ({error})", where=str(path), mend="write it again"
        ) from None
    types = {name: _duckdb_type(table.schema.field(name).type) for name in table.column_names}
    return RawTable(table_name, path, table, types), extra


def _check_pages(path: Path, present: list[str]) -> None:
    """Reads a Parquet file once, so that a broken one is refused by name before anything is made of it."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=present):
            batch.validate(full=True)


def _is_odd(kind: pa.DataType) -> bool:
    """Whether cells of a type are made text here: floats as a person writes them, bytes as UTF-8, wide decimals."""
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    kinds = (pa.types.is_decimal256, pa.types.is_floating, pa.types.is_binary, pa.types.is_large_binary)
    return any(is_kind(value) for is_kind in kinds)


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not pa.types.is_floating(column.type):
        return column.cast(pa.string())
    if pa.types.is_float16(column.type):
        column = column.cast(pa.float32())
    # As the shortest text that reads back as the same number, of its own width; an exponent is written out.
    encoded = column.cast(pa.string()).combine_chunks().dictionary_encode()
    written = pa.array([_plain_number(text) for text in encoded.dictionary.to_pylist()], pa.string())
    return pa.chunked_array([pc.take(written, encoded.indices)])


def _plain_number(text: str) -> str | None:
    """A number as spec §2 writes it: no exponent, no decimals where they are 0. A frame's NaN is an empty cell."""
    number = Decimal(text)
    if number.is_nan():
        return None
    return f"{number:f}".removesuffix(".0") if number.is_finite() else text


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


def _read_workbook(path: Path, headers: Mapping[str, Header], notes: list[str]) -> Iterator[tuple[RawTable, list[str]]]:
    try:
        with zipfile.ZipFile(path) as archive:
            check_members(archive, _LARGEST_MEMBER, where=str(path), mend="send the table as CSV or Parquet")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what openpyxl leaves out (validation, styles) is no part of a table
            sheets = _read_sheets(path, headers, notes)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - a broken workbook breaks openpyxl in many ways
        raise InputError(
            f"the file cannot be read as XLSX ({type(error).__name__}: {error})", where=str(path), mend="save it again"
        ) from None
    for name, table in sheets:
        yield _known_columns(name, path, f"{path} sheet {name} line 1", table, headers[name], [])


def _read_sheets(path: Path, headers: Mapping[str, Header], notes: list[str]) -> list[tuple[str, pa.Table]]:
    found = []
    with path.open("rb") as file:
        workbook = openpyxl.load_workbook(file, read_only=True, data_only=True)
        for sheet in workbook.worksheets:
            if sheet.title in headers:
                sheet.reset_dimensions()  # some programs write dimensions that are not true
                found.append((sheet.title, _read_sheet(sheet.iter_rows(values_only=True))))
            else:
                _note_stranger(sheet.title, f"{path.name} sheet {sheet.title}", notes)
        workbook.close()
    return found


def _read_sheet(rows: Iterator[tuple[Any, ...]]) -> pa.Table:
    """A sheet's cells as text. A column without a name has the name ''; what stands right of the header is one more."""
    header = ["" if name is None else str(name).strip() for name in next(rows, ())]
    while header and not header[-1]:
        header.pop()
    cells: list[list[str | None]] = [[] for _ in header]
    beyond = False
    for row in rows:
        texts = [_cell_text(cell) for cell in row]
        if not any(text is not None for text in texts):
            continue
        beyond = beyond or any(text is not None for text in texts[len(header) :])
        texts += [None] * (len(header) - len(texts))
        for column, text in zip(cells, texts, strict=False):
            column.append(text)
    if beyond:
        header.append("")
        cells.append([None] * (len(cells[0]) if cells else 0))
    return pa.Table.from_arrays([pa.array(column, pa.string()) for column in cells], names=header)


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
        return _plain_number(repr(cell))
    return str(cell)
