"""Workbooks: typed cells, real dates, texts that are never formulas, and the same bytes for the same lines."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import datetime
from typing import TYPE_CHECKING, Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from pipeline.errors import ExportError
from pipeline.exports import cells as making
from pipeline.exports.expressions import Type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import BinaryIO

    import polars as pl

    from pipeline.exports.entries import Shaped
    from pipeline.exports.format import Cell, LoadedFormat

_MOST_ROWS = 1_048_576
_LONGEST_TEXT = 32_767
#: what XML cannot hold
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x{fffe}\x{ffff}]"
_MADE_ON = datetime(2000, 1, 1)  # noqa: DTZ001 - a workbook's times have no zone
_AMOUNT_FORMATS = ("#,##0", "#,##0.0", "#,##0.00", "#,##0.000", "#,##0.0000")
_DATE_FORMAT = "yyyy-mm-dd"
_WIDTH = 14


def write_xlsx(
    loaded: LoadedFormat,
    batches: Iterable[Shaped],
    facts: Mapping[str, Any],
    totals: list[dict[str, Any]],
    target: BinaryIO,
) -> None:
    """Writes rows on a sheet `Entries`, and the totals by journal on a sheet `Totals`.

    totals: a row each, its keys the header. Raises: ExportError naming the field and the row of a text that no cell
    can hold, or where there are more rows than a sheet has.
    """
    workbook = Workbook(write_only=True)
    workbook.properties.creator = "lettrage"
    workbook.properties.created = workbook.properties.modified = _MADE_ON
    try:
        _write_entries(workbook, loaded, (shaped.lines for shaped in batches))
        if loaded.format.totals_sheet:
            _write_totals(workbook, totals)
    except BaseException:
        for sheet in workbook.worksheets:
            sheet.close()  # else openpyxl keeps the XML of a sheet open that nobody will end
        raise
    buffer = io.BytesIO()
    workbook.save(buffer)
    _repack(buffer, target)


def _write_entries(workbook: Workbook, loaded: LoadedFormat, batches: Iterable[pl.DataFrame]) -> None:
    sheet = _sheet(workbook, "Entries", {cell.name: cell.field.width or _WIDTH for cell in loaded.cells})
    rows = 1
    for batch in batches:
        rows += len(batch)
        if rows > _MOST_ROWS:
            raise ExportError(
                f"a sheet has {_MOST_ROWS:,} rows, and there are more lines",
                where=f"format {loaded.name}",
                mend="export shorter periods, or another format",
            )
        making.check(loaded.cells, batch)
        columns = [_column(cell, batch, _Cells(sheet)) for cell in loaded.cells]
        # openpyxl writes row by row and cell by cell: there is no other way into it.
        for row in zip(*columns, strict=True):
            sheet.append(row)


def _sheet(workbook: Workbook, title: str, widths: dict[str, int]) -> Any:
    sheet = workbook.create_sheet(title)
    sheet.freeze_panes = "A2"
    for number, width in enumerate(widths.values(), start=1):
        sheet.column_dimensions[get_column_letter(number)].width = width
    header = []
    for name in widths:
        cell = _Cells(sheet).cell(name)
        cell.font = Font(bold=True)
        header.append(cell)
    sheet.append(header)
    return sheet


class _Cells:
    """The cells of one column: openpyxl writes a row when it is given, so one cell for each number format is enough."""

    def __init__(self, sheet: Any) -> None:
        self._sheet = sheet
        self._known: dict[str | None, Any] = {}

    def cell(self, value: Any, number_format: str | None = None) -> Any:
        """Returns a cell with a value; nothing where there is none."""
        if value is None or value == "":
            return None
        cell = self._known.get(number_format)
        if cell is None:
            cell = self._known[number_format] = WriteOnlyCell(self._sheet)
            if number_format is not None:
                cell.number_format = number_format
        cell.value = value
        if isinstance(value, str):
            cell.data_type = "s"  # else a text that begins with = becomes a formula, and #N/A an error
        return cell


def _column(cell: Cell, batch: pl.DataFrame, cells: _Cells) -> Iterator[Any]:
    """The cells of a field."""
    typed = cell.typed
    values = batch.with_columns(typed.value.alias("value"))["value"]
    if typed.type == Type.TEXT:
        _check_texts(cell, values, batch)
    given = cell.field.number_format
    if given is None and typed.type == Type.AMOUNT:
        digits = batch[typed.digits or "currency_digits"].fill_null(2)
        return (cells.cell(value, _AMOUNT_FORMATS[places]) for value, places in zip(values, digits, strict=True))
    form = given or (_DATE_FORMAT if typed.type == Type.DATE else None)
    return (cells.cell(value, form) for value in values)


def _check_texts(cell: Cell, values: pl.Series, batch: pl.DataFrame) -> None:
    for found, what in (
        (values.str.contains(_CONTROL), "has a control character in it, which no workbook can hold"),
        (values.str.len_chars() > _LONGEST_TEXT, f"has more than the {_LONGEST_TEXT:,} characters of a cell"),
    ):
        if found.any():
            place = found.arg_max() or 0
            raise making.refused(
                cell, f"{values[place][:40]!r} {what}", batch.row(place, named=True), "change the text"
            )


def _write_totals(workbook: Workbook, totals: list[dict[str, Any]]) -> None:
    if not totals:
        return
    names = [name for name in totals[0] if name != "currency_digits"]
    sheet = _sheet(workbook, "Totals", dict.fromkeys(names, _WIDTH))
    cells = [_Cells(sheet) for _ in names]
    for total in totals:
        amounts = _AMOUNT_FORMATS[total["currency_digits"]]
        forms = [amounts if name in ("debit", "credit") else None for name in names]
        sheet.append([made.cell(total[name], form) for made, name, form in zip(cells, names, forms, strict=True)])


def _repack(workbook: io.BytesIO, target: BinaryIO) -> None:
    """Writes the workbook without the time it was made at, its members by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(workbook) as source, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(source.namelist()):
            content = source.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2000-01-01T00:00:00Z", content)
            packed.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    target.write(buffer.getbuffer())
