"""Samples whose cells are typed, or named one by one: workbooks, Parquet, JSON."""

from __future__ import annotations

import json
import warnings
import zipfile
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.archives import check_members
from pipeline.errors import InputError
from pipeline.exports.guess_sample import MOST_LINES, Group, Sample, can_be_names, is_names

if TYPE_CHECKING:
    from pathlib import Path

#: a workbook's part may unfold to so many bytes, and to so many times its size
_LARGEST_PART = 1 << 28


def json_sample(text: str) -> Sample | None:
    """Objects of a JSON array, or one a line; nothing where it is neither."""
    wrap: tuple[str, str] | None = None
    try:
        said = json.loads(text)
        wrap = ("[", "]")
        if isinstance(said, dict):
            lists = [(key, value) for key, value in said.items() if isinstance(value, list) and value]
            if len(said) == 1 and lists:
                key, said = lists[0]
                wrap = (f"{{{json.dumps(key, ensure_ascii=False)}:[", "]}")
            else:
                said, wrap = [said], None
    except (ValueError, RecursionError):
        try:
            said = [json.loads(line) for line in text.splitlines()[:MOST_LINES] if line.strip()]
        except (ValueError, RecursionError):
            return None
        wrap = None
    objects = [one for one in said[:MOST_LINES] if isinstance(one, dict)] if isinstance(said, list) else []
    names = list(dict.fromkeys(name for one in objects for name in one if name and not name.startswith("$")))
    if not names:
        return None
    values = [[one.get(name) for name in names] for one in objects]
    typed = frozenset(
        at
        for at in range(len(names))
        if any(isinstance(row[at], int | float) for row in values)
        and all(row[at] is None or isinstance(row[at], int | float) for row in values)
    )
    rows = [[_text_of(value) for value in row] for row in values]
    return Sample("json", [Group(rows, list(range(len(rows))), names=names, typed=typed)], wrap=wrap)


def parquet_sample(path: Path) -> Sample:
    """The rows of a Parquet file. Raises: InputError where it cannot be read."""
    try:
        with pq.ParquetFile(path) as file:
            batches = list(islice(file.iter_batches(batch_size=MOST_LINES), 1))
            schema = file.schema_arrow
            total = file.metadata.num_rows
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise InputError(f"the file cannot be read as Parquet ({error})", where=str(path)) from None
    rows = [list(row.values()) for batch in batches for row in batch.to_pylist()]
    typed = frozenset(at for at, kind in enumerate(schema.types) if not pa.types.is_string(kind))
    group = Group(
        [[_text_of(cell) for cell in row] for row in rows], list(range(len(rows))), names=schema.names, typed=typed
    )
    notes = [f"the file is long: its first {MOST_LINES:,} rows alone were read"] if total > len(rows) else []
    return Sample("parquet", [group], has_names=True, notes=notes)


def workbook_sample(path: Path, sheet: str | None) -> Sample:
    """The rows of a sheet. Raises: InputError where it cannot be read, or there is no such sheet."""
    try:
        _check_archive(path)
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what openpyxl leaves out is no part of a table
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            title, rows = _cells(book, sheet, path)
            book.close()
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - a broken workbook breaks openpyxl in many ways
        raise InputError(
            f"the file cannot be read as XLSX ({type(error).__name__}: {error})", where=str(path), mend="save it again"
        ) from None
    if not rows:
        raise InputError(f"sheet {title} is empty", where=str(path), mend="name another with --sheet")
    notes = [f"the sheet is long: its first {MOST_LINES:,} rows alone were read"] if len(rows) > MOST_LINES else []
    return _sheet(title, rows[:MOST_LINES], notes)


def _check_archive(path: Path) -> None:
    """Refuses what is no workbook, or would unfold to more than memory holds. Raises: InputError."""
    with zipfile.ZipFile(path) as archive:
        if "xl/workbook.xml" not in archive.namelist():
            raise InputError("this is a zip archive, no workbook", where=str(path), mend="unpack it first")
        check_members(archive, _LARGEST_PART, where=str(path), mend="give a workbook with a few hundred lines")


def _cells(book: Any, sheet: str | None, path: Path) -> tuple[str, list[list[tuple[str, bool]]]]:
    """The first sheet with cells, or the one that is asked for: of each cell its text, and whether it is typed."""
    titles = [one.title for one in book.worksheets]
    if sheet is not None and sheet not in titles:
        raise InputError(f"there is no sheet {sheet}; there are {', '.join(titles)}", where=str(path))
    found: list[list[tuple[str, bool]]] = []
    title = ""
    for one in book.worksheets:
        if sheet not in (None, one.title):
            continue
        title = one.title
        one.reset_dimensions()
        for row in islice(one.iter_rows(), MOST_LINES + 1):
            cells = [(_text_of(cell.value, cell.number_format), not isinstance(cell.value, str)) for cell in row]
            if any(text for text, _ in cells):
                found.append(cells)
        if found:
            break
    return title, found


def _sheet(title: str, rows: list[list[tuple[str, bool]]], notes: list[str]) -> Sample:
    width = max(len(row) for row in rows)
    while width > 1 and not any(len(row) >= width and row[width - 1][0] for row in rows):
        width -= 1
    padded = [[*row, *[("", True)] * (width - len(row))][:width] for row in rows]
    texts = [[text for text, _ in row] for row in padded]
    sample = Sample("xlsx", [], sheet=title, notes=notes)
    # What stands above the first line that has as many cells as most: a title, a date.
    filled = [sum(1 for text in row if text) for row in texts]
    first = next(at for at, count in enumerate(filled) if count * 2 >= max(filled))
    sample.heading_rows, texts, padded = texts[:first], texts[first:], padded[first:]
    names: list[str] = []
    if is_names(texts[0], texts[1:]):
        names = texts.pop(0)
        padded = padded[1:]
        sample.has_names = can_be_names(names)
        if not sample.has_names:
            sample.heading_rows.append(names)
    typed = frozenset(at for at in range(width) if all(row[at][1] for row in padded))
    sample.groups = [Group(texts, list(range(len(texts))), names=names, typed=typed)]
    return sample


def _text_of(value: Any, number_format: str = "") -> str:
    """A cell as a text: a day as ISO 8601, an amount with its decimals."""
    if value is None or (isinstance(value, float) and not Decimal(value).is_finite()):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):  # a datetime is one too
        return (value.date() if isinstance(value, datetime) else value).isoformat()
    if isinstance(value, int | float) and "0.0" in number_format:
        return f"{value:.2f}"
    return f"{Decimal(repr(value)):f}" if isinstance(value, float) else str(value)
