"""Workbooks: typed cells, real dates, texts that are never formulas, and the same bytes for the same lines.

A sheet is written as the XML that it is (ECMA-376, part 1, §18), column by column of a batch, so that a library that
takes cell after cell is not in the way; openpyxl and LibreOffice read it in the tests.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol
from xml.sax.saxutils import escape, quoteattr

import polars as pl
from openpyxl.utils import column_index_from_string, get_column_letter

from pipeline.errors import ExportError, FormatError
from pipeline.exports import cells as making
from pipeline.exports.description import NAMES
from pipeline.exports.expressions import Type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from pipeline.exports.format import Cell, LoadedFormat, LoadedRecord

#: where records stand that name no sheet; where the totals stand
ENTRIES, TOTALS = "Entries", "Totals"
#: stands for the number of its row in a cell that is not placed yet, and around a text that has no number yet; no text
#: of a cell has these in it
ROW_MARK, TEXT_MARK = "\x01", "\x02"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
#: how amounts look, by their decimals
AMOUNT_FORMATS = ("#,##0", "#,##0.0", "#,##0.00", "#,##0.000", "#,##0.0000")
_DATE_FORMAT = "yyyy-mm-dd"
_MOST_ROWS = 1_048_576
_MOST_COLUMNS = 16_384
_LONGEST_TEXT = 32_767
#: of the XML of a sheet: more wants ZIP64, which not every reader of workbooks has
_MOST_BYTES = 2**31 - 1
_SLICE = 10_000
_WIDTH = 14
_BOLD = 1
#: what XML cannot hold
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"
#: what a spreadsheet takes for the code of a character
_CODE = re.compile(r"_x[0-9A-Fa-f]{4}_")
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_OTHERS = (("styles.xml", "styles"), ("sharedStrings.xml", "sharedStrings"))
_CONTENT = "application/vnd.openxmlformats-officedocument.spreadsheetml"


class Styles(Protocol):
    """The looks of a workbook's cells."""

    def of(self, sheet: str, column: int, number_format: str | None) -> int:
        """The number of the style of a column's cells that are written in a number format."""
        ...


class NewStyles:
    """The styles of a workbook that is made: plain, bold, and one for each number format."""

    def __init__(self) -> None:
        self._formats: dict[str, int] = {}

    def of(self, sheet: str, column: int, number_format: str | None) -> int:  # noqa: ARG002 - columns look alike here
        """The number of a style."""
        if number_format is None:
            return 0
        return self._formats.setdefault(number_format, len(self._formats) + _BOLD + 1)

    def xml(self) -> str:
        """The part that says what the numbers stand for."""
        forms = [f'<numFmt numFmtId="{164 + n}" formatCode={quoteattr(form)}/>' for n, form in enumerate(self._formats)]
        used = [
            f'<xf numFmtId="{164 + n}" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
            for n in range(len(forms))
        ]
        plain = '<xf numFmtId="0" fontId="0" fillId="0" borderId="0"'
        font = '<sz val="11"/><name val="Calibri"/><family val="2"/>'
        return (
            f'{_HEAD}<styleSheet xmlns="{MAIN}">'
            + (f'<numFmts count="{len(forms)}">{"".join(forms)}</numFmts>' if forms else "")
            + f'<fonts count="2"><font>{font}</font><font><b/>{font}</font></fonts>'
            '<fills count="2"><fill><patternFill patternType="none"/></fill>'
            '<fill><patternFill patternType="gray125"/></fill></fills>'
            '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
            f'<cellStyleXfs count="1">{plain}/></cellStyleXfs><cellXfs count="{len(used) + 2}">{plain} xfId="0"/>'
            f'<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>{"".join(used)}</cellXfs>'
            '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
        )


def sheet_of(made: LoadedRecord) -> str:
    """The sheet that a record stands on."""
    return made.record.sheet or ENTRIES


def places(made: LoadedRecord, loaded: LoadedFormat) -> list[int]:
    """The columns of a record's cells, 1 being A: the one that a field names, else the next one.

    Names stand above the fields that they name. Raises: FormatError where two fields stand in one column.
    """
    if made.text is not None:
        return [1]
    row = made.record.row
    named = made
    if row is not None:
        alike = [
            other for other in loaded.records if sheet_of(other) == sheet_of(made) and row == _names(other) and row
        ]
        if not alike:
            return list(range(1, len(row) + 1))
        named = alike[0]
    columns: list[int] = []
    for cell in named.cells:
        given = cell.field.column
        column = columns[-1] + 1 if given is None and columns else column_index_from_string(given or "A")
        if column in columns or column > _MOST_COLUMNS:
            what = "has a field already" if column in columns else "is beyond the last one of a sheet"
            raise FormatError(f"column {get_column_letter(column)} {what}", where=cell.place)
        columns.append(column)
    return columns


def _names(made: LoadedRecord) -> list[str]:
    return [cell.name for cell in made.cells]


class Rows:
    """Makes the rows of a format's records: the XML of their cells, ROW_MARK wherever their number will stand."""

    def __init__(self, loaded: LoadedFormat, styles: Styles) -> None:
        self._loaded = loaded
        self._styles = styles
        self._texts = making.Texts(loaded)
        self._places = {id(made): places(made, loaded) for made in loaded.records}

    def records(self, made: LoadedRecord, rows: pl.DataFrame) -> pl.Series:
        """A row of cells for each row; an empty value is no cell.

        Raises: ExportError naming the field and the row of a value that the format does not allow or no cell holds.
        """
        columns = [get_column_letter(column) for column in self._places[id(made)]]
        if made.text is not None:
            line = self._texts.line(made.text, made.place, rows)
            style = self._styles.of(sheet_of(made), 1, None)
            return pl.select(pl.coalesce(text_cells(columns[0], line, style), pl.lit(""))).to_series()
        if made.record.row is not None:
            is_bold = made.record.name == NAMES and isinstance(self._styles, NewStyles)
            constant = [
                text_cells(
                    column,
                    pl.Series([re.sub(_CONTROL, " ", text)]),
                    _BOLD if is_bold else self._styles.of(sheet_of(made), number, None),
                )
                for column, number, text in zip(columns, self._places[id(made)], made.record.row, strict=True)
            ]
            row = pl.select(pl.concat_str(constant, ignore_nulls=True)).item() if constant else ""
            return pl.Series([row], dtype=pl.String).new_from_index(0, len(rows))
        written = self._cells(made, rows)
        # A column that has an earlier letter stands in front, wherever the format names its field.
        order = sorted(range(len(written)), key=self._places[id(made)].__getitem__)
        return rows.select(pl.concat_str([written[number] for number in order], ignore_nulls=True)).to_series()

    def _cells(self, made: LoadedRecord, rows: pl.DataFrame) -> list[pl.Expr]:
        """The cells of each field."""
        making.check(made.cells, rows)
        is_text = [cell.typed.type == Type.TEXT for cell in made.cells]
        texts = tuple(cell for cell, text in zip(made.cells, is_text, strict=True) if text)
        written = iter(self._texts.of(replace(made, cells=texts), rows))
        values = rows.with_columns(
            cell.typed.value.alias(f"field {number}")
            for number, (cell, text) in enumerate(zip(made.cells, is_text, strict=True))
            if not text
        )
        exprs = []
        for number, (cell, column) in enumerate(zip(made.cells, self._places[id(made)], strict=True)):
            letter = get_column_letter(column)
            form = cell.field.number_format
            if is_text[number]:
                given = next(written)
                series = pl.Series([given]).new_from_index(0, len(rows)) if isinstance(given, str) else given
                _check_texts(cell, series, rows)
                exprs.append(text_cells(letter, series, self._styles.of(sheet_of(made), column, form)))
                continue
            kind = cell.typed.type
            if form is None and kind == Type.DATE:
                form = _DATE_FORMAT
            style: int | pl.Series = self._styles.of(sheet_of(made), column, form)
            if form is None and kind == Type.AMOUNT:
                styles = [str(self._styles.of(sheet_of(made), column, form)) for form in AMOUNT_FORMATS]
                digits = values[cell.typed.digits or "currency_digits"].fill_null(2)
                style = digits.replace_strict(range(len(styles)), styles, return_dtype=pl.String)
            exprs.append(value_cells(letter, values[f"field {number}"], style))
        return exprs


def text_cells(letter: str, texts: pl.Series, style: int = 0) -> pl.Expr:
    """Cells of a column that hold texts, by a type of their own: none is ever taken for a formula or a number."""
    text = pl.when(pl.lit(texts) != "").then(pl.lit(texts))
    look = f' s="{style}"' if style else ""
    return pl.concat_str(
        pl.lit(f'<c r="{letter}{ROW_MARK}"{look} t="s"><v>{TEXT_MARK}'), text, pl.lit(f"{TEXT_MARK}</v></c>")
    )


def value_cells(letter: str, values: pl.Series, style: int | pl.Series = 0) -> pl.Expr:
    """Cells of a column that hold amounts, whole numbers, dates (the days since 1899) or conditions."""
    kind = ""
    value = pl.lit(values)
    if values.dtype == pl.Date:
        value = value.cast(pl.Int32) + 25_569
    elif values.dtype == pl.Boolean:
        kind = ' t="b"'
        value = value.cast(pl.Int8)
    elif values.dtype.is_decimal():
        value = value.cast(pl.Decimal(38, 4))
    text = value.cast(pl.String)
    if values.dtype.is_decimal():
        text = text.str.strip_chars_end("0").str.strip_chars_end(".")
    head = pl.lit(f'<c r="{letter}{ROW_MARK}"{kind}')
    if isinstance(style, pl.Series):
        return pl.concat_str(head, pl.lit(' s="'), pl.lit(style), pl.lit('"><v>'), text, pl.lit("</v></c>"))
    look = f' s="{style}"' if style else ""
    return pl.concat_str(head, pl.lit(f"{look}><v>"), text, pl.lit("</v></c>"))


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


class Strings:
    """The texts of a workbook, each once, by their numbers: not every reader takes a text that stands in its cell.

    first: the number of the first one.
    """

    def __init__(self, first: int = 0) -> None:
        self._numbers: dict[str, int] = {}
        self._first = first
        #: how many cells hold one
        self.uses = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def numbered(self, rows: pl.Series) -> pl.Series:
        """Rows one after the other, a number in place of each text."""
        parts = rows.str.join("").str.split(TEXT_MARK).explode()
        texts = parts.gather_every(2, 1)
        if texts.is_empty():
            return parts
        self.uses += len(texts)
        met = texts.unique(maintain_order=True)
        numbers = [self._numbers.setdefault(text, self._first + len(self._numbers)) for text in met]
        told = texts.replace_strict(met, numbers, return_dtype=pl.String)
        between = parts.gather_every(2)
        return pl.select(pl.concat_str(between, pl.concat([told, pl.Series([""])]))).to_series().str.join("")

    def xml(self, space: str = "") -> Iterator[bytes]:
        """The texts as their part has them. space: the namespace of their elements, where it is not said above them."""
        texts = iter(self._numbers)
        while some := list(islice(texts, _SLICE)):
            yield "".join(_item(text, space) for text in some).encode()


def _item(text: str, space: str) -> str:
    said = escape(text.replace("_x", "_x005F_x") if _CODE.search(text) else text)
    blanks = "" if text == text.strip() else ' xml:space="preserve"'
    return f"<si{space}><t{blanks}>{said}</t></si>"


def numbered(rows: pl.Series, first: int, strings: Strings, where: str, attributes: str = "") -> Iterator[bytes]:
    """The rows as they stand in a sheet from a row on. Raises: ExportError where a sheet has no more rows."""
    if first + len(rows) - 1 > _MOST_ROWS:
        raise ExportError(
            f"a sheet has {_MOST_ROWS:,} rows, and there are more lines",
            where=where,
            mend="export shorter periods, or another format",
        )
    for start in range(0, len(rows), _SLICE):
        part = rows.slice(start, _SLICE)
        number = pl.int_range(first + start, first + start + len(part)).cast(pl.String)
        text = pl.lit(part).str.replace_all(ROW_MARK, number, literal=True)
        row = pl.concat_str(pl.lit(f'<row{attributes} r="'), number, pl.lit('">'), text, pl.lit("</row>"))
        yield str(strings.numbered(pl.select(row).to_series()).item()).encode()


@dataclass
class _Sheet:
    """A sheet while it is written. held: its XML, where another one is still open."""

    member: str
    widths: dict[int, int]
    rows: int = 0
    size: int = 0
    held: list[bytes] | None = None


class Workbook:
    """A workbook that is made, sheet by sheet."""

    def __init__(self, loaded: LoadedFormat, *, has_totals: bool) -> None:
        self._where = f"format {loaded.name}"
        self.styles = NewStyles()
        self.strings = Strings()
        self.writer = Rows(loaded, self.styles)
        sheets: dict[str, dict[int, int]] = {}
        for made in loaded.records:
            widths = sheets.setdefault(sheet_of(made), {})
            if made.cells:
                for column, cell in zip(places(made, loaded), made.cells, strict=True):
                    widths.setdefault(column, cell.field.width or _WIDTH)
        if has_totals:
            sheets.setdefault(TOTALS, {})
        self._names = {
            sheet_of(made): self.writer.records(made, pl.DataFrame({"": [0]})).item()
            for made in reversed(loaded.records)
            if made.record.name == NAMES and made.record.row is not None
        }
        self._buffer = io.BytesIO()
        self._packed = zipfile.ZipFile(self._buffer, "w", zipfile.ZIP_DEFLATED)
        self._sheets = {
            name: _Sheet(f"xl/worksheets/sheet{number}.xml", widths, held=None if number == 1 else [])
            for number, (name, widths) in enumerate(sheets.items(), start=1)
        }
        self._add("[Content_Types].xml", self._content_types())
        self._open = self._packed.open(member("xl/worksheets/sheet1.xml"), "w")

    def put(self, name: str, rows: pl.Series) -> None:
        """Adds rows to a sheet, in their order. Raises: ExportError where it is full."""
        sheet = self._sheets[name]
        if not sheet.size:
            self._begin(sheet, (rows == self._names.get(name, "")).arg_max() if name in self._names else None)
        for part in numbered(rows, sheet.rows + 1, self.strings, self._where):
            self._append(sheet, part)
        sheet.rows += len(rows)

    def put_totals(self, totals: list[dict[str, Any]]) -> None:
        """Adds the sheet of totals; a row each, its keys the header."""
        if not totals:
            return
        frame = pl.DataFrame(totals, infer_schema_length=None)
        digits = frame["currency_digits"]
        names = [name for name in frame.columns if name != "currency_digits"]
        sheet = self._sheets[TOTALS]
        sheet.widths = dict.fromkeys(range(1, len(names) + 1), _WIDTH)
        forms = [str(self.styles.of(TOTALS, 0, form)) for form in AMOUNT_FORMATS]
        amounts = digits.replace_strict(range(len(forms)), forms, return_dtype=pl.String)
        cells, heads = [], []
        for number, name in enumerate(names, start=1):
            letter, values = get_column_letter(number), frame[name]
            heads.append(text_cells(letter, pl.Series([name]), _BOLD))
            if values.dtype == pl.String:
                cells.append(text_cells(letter, values))
            else:
                cells.append(value_cells(letter, values, amounts if values.dtype.is_decimal() else 0))
        head = pl.select(pl.concat_str(heads)).to_series()
        self._names[TOTALS] = head.item()
        self.put(TOTALS, head.append(frame.select(pl.concat_str(cells, ignore_nulls=True)).to_series()))

    def close(self, target: BinaryIO) -> None:
        """Writes the workbook."""
        for sheet in self._sheets.values():
            if not sheet.size:
                self._begin(sheet, None)
            self._append(sheet, b"</sheetData></worksheet>")
            if sheet.held is None:
                self._open.close()
            else:
                with self._packed.open(member(sheet.member), "w") as opened:
                    for part in sheet.held:
                        opened.write(zlib.decompress(part))
        with self._packed.open(member("xl/sharedStrings.xml"), "w") as opened:
            counts = f'count="{self.strings.uses}" uniqueCount="{len(self.strings)}"'
            opened.write(f'{_HEAD}<sst xmlns="{MAIN}" {counts}>'.encode())
            for part in self.strings.xml():
                opened.write(part)
            opened.write(b"</sst>")
        self._add("xl/styles.xml", self.styles.xml())
        for name, text in self._parts().items():
            self._add(name, text)
        self._packed.close()
        target.write(self._buffer.getbuffer())

    def discard(self) -> None:
        """Forgets what was written."""
        self._open.close()
        self._packed.close()

    def _begin(self, sheet: _Sheet, names: int | None) -> None:
        """Writes what stands before the rows; those down to the names stay where they are."""
        view = '<sheetView workbookViewId="0"/>'
        if names is not None:
            view = (
                f'<sheetView workbookViewId="0"><pane ySplit="{names + 1}" topLeftCell="A{names + 2}" '
                'activePane="bottomLeft" state="frozen"/></sheetView>'
            )
        columns = "".join(
            f'<col min="{column}" max="{column}" width="{width}" customWidth="1"/>'
            for column, width in sorted(sheet.widths.items())
        )
        text = f'{_HEAD}<worksheet xmlns="{MAIN}"><sheetViews>{view}</sheetViews><sheetFormatPr defaultRowHeight="15"/>'
        text += f"<cols>{columns}</cols>" if columns else ""
        self._append(sheet, f"{text}<sheetData>".encode())

    def _append(self, sheet: _Sheet, part: bytes) -> None:
        sheet.size += len(part)
        if sheet.size > _MOST_BYTES:
            raise ExportError(
                "a sheet of more than 2 GB is no workbook that others read",
                where=self._where,
                mend="export shorter periods, or another format",
            )
        if sheet.held is None:
            self._open.write(part)
        else:
            sheet.held.append(zlib.compress(part, 1))

    def _add(self, name: str, text: str) -> None:
        self._packed.writestr(member(name), text.encode())

    def _content_types(self) -> str:
        overrides = {
            "/xl/workbook.xml": f"{_CONTENT}.sheet.main+xml",
            **{f"/{sheet.member}": f"{_CONTENT}.worksheet+xml" for sheet in self._sheets.values()},
            "/xl/styles.xml": f"{_CONTENT}.styles+xml",
            "/xl/sharedStrings.xml": f"{_CONTENT}.sharedStrings+xml",
            "/docProps/core.xml": "application/vnd.openxmlformats-package.core-properties+xml",
        }
        parts = "".join(f'<Override PartName="{name}" ContentType="{kind}"/>' for name, kind in overrides.items())
        return (
            f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types">'
            f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Default Extension="xml" ContentType="application/xml"/>{parts}</Types>'
        )

    def _parts(self) -> dict[str, str]:
        """The parts that are the same but for the sheets' names."""
        sheets = "".join(
            f'<sheet name={quoteattr(name)} sheetId="{number}" r:id="rId{number}"/>'
            for number, name in enumerate(self._sheets, start=1)
        )
        relations = [(f"worksheets/sheet{number}.xml", "worksheet") for number in range(1, len(self._sheets) + 1)]
        made_on = "".join(
            f'<dcterms:{what} xsi:type="dcterms:W3CDTF">2000-01-01T00:00:00Z</dcterms:{what}>'
            for what in ("created", "modified")
        )
        return {
            "_rels/.rels": _relations(
                [
                    ("xl/workbook.xml", f"{_OFFICE}/officeDocument"),
                    ("docProps/core.xml", f"{_PACKAGE}/relationships/metadata/core-properties"),
                ]
            ),
            "docProps/core.xml": (
                f'{_HEAD}<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties" '
                'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
                'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
                f"<dc:creator>lettrage</dc:creator>{made_on}</cp:coreProperties>"
            ),
            "xl/_rels/workbook.xml.rels": _relations(
                [(target, f"{_OFFICE}/{kind}") for target, kind in [*relations, *_OTHERS]]
            ),
            "xl/workbook.xml": (
                f'{_HEAD}<workbook xmlns="{MAIN}" xmlns:r="{_OFFICE}"><bookViews><workbookView/></bookViews>'
                f"<sheets>{sheets}</sheets></workbook>"
            ),
        }


def _relations(targets: Iterable[tuple[str, str]]) -> str:
    parts = "".join(
        f'<Relationship Id="rId{number}" Type="{kind}" Target="{target}"/>'
        for number, (target, kind) in enumerate(targets, start=1)
    )
    return f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{parts}</Relationships>'


def member(name: str) -> zipfile.ZipInfo:
    """A part without the time and the system that it was made at."""
    info = zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3
    return info
