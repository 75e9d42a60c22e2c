"""Lines to bytes: delimited, fixed-width and XLSX, by what a format says of them."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils.exceptions import IllegalCharacterError

from pipeline.errors import ExportError, FormatError
from pipeline.exports import expressions
from pipeline.exports.expressions import as_text, folded

if TYPE_CHECKING:
    from pipeline.exports.format import FieldFormat, LoadedFormat

_FORMULA = r"^[=+\-@\t\r]"
#: characters that no unquoted cell can hold
_BREAKS = r"[\t\r\n]+"


def write(loaded: LoadedFormat, lines: pl.DataFrame) -> bytes:
    """Writes lines (the columns of the format) as the format's bytes, the same for the same lines.

    Raises: ExportError naming the entry and the field where a value does not fit or cannot be encoded.
    """
    kinds = {"delimited": write_delimited, "fixed": write_fixed, "xlsx": write_xlsx}
    return kinds[loaded.format.kind](loaded, lines)


def _texts(loaded: LoadedFormat, lines: pl.DataFrame) -> pl.DataFrame:
    """The fields as texts, one column each, named by their position."""
    selected = [
        as_text(value, f"format {loaded.name}, field {number + 1}").alias(str(number))
        for number, value in enumerate(loaded.values)
    ]
    texts = lines.select(selected)
    if loaded.format.unknown_characters == "fold":
        texts = texts.with_columns(
            pl.when(pl.col(name).map_batches(lambda text: _encodable(text, loaded.format.encoding), return_dtype=pl.Boolean))
            .then(pl.col(name))
            .otherwise(folded(pl.col(name)))
            for name in texts.columns
        )
    return texts


def _encodable(texts: pl.Series, encoding: str) -> pl.Series:
    """Whether each text can be written in an encoding; distinct texts are looked at once."""
    if encoding.startswith("utf-8"):
        return pl.Series([True]).new_from_index(0, len(texts))
    distinct = texts.unique()
    can = [text is None or text.encode(encoding, "ignore").decode(encoding) == text for text in distinct]
    return texts.replace_strict(distinct, pl.Series(can), return_dtype=pl.Boolean)


def _encoded(loaded: LoadedFormat, records: pl.Series, lines: pl.DataFrame) -> bytes:
    """Joins records to bytes. Raises: ExportError naming the entry of the first character that the encoding lacks."""
    newline = loaded.format.newline
    text = newline.join(records.to_list()) + (newline if len(records) else "")
    try:
        return text.encode(loaded.format.encoding)
    except UnicodeEncodeError as error:
        number = text.count(newline, 0, error.start)
        raise ExportError(
            f"the character {text[error.start]!r} does not exist in {loaded.format.encoding}",
            where=f"format {loaded.name}, {_name(lines, number - (len(records) - len(lines)))}",
            mend='change the text, or write unknown_characters = "fold" in the format',
        ) from None


def _name(lines: pl.DataFrame, number: int) -> str:
    """What a person knows a line by."""
    if not 0 <= number < len(lines):
        return "header"
    row = lines.row(number, named=True)
    if "entry_number" in row and "line_number" in row:
        return f"entry {row['journal_code']} {row['entry_number']} line {row['line_number']} ({row['document']})"
    return f"payment of {row.get('payment_order')} to {row.get('employee')}"


def write_delimited(loaded: LoadedFormat, lines: pl.DataFrame) -> bytes:
    """Cells with a separator between them; what a cell may not hold is quoted, or replaced where nothing is quoted."""
    form = loaded.format
    texts = _texts(loaded, lines)
    special = f'["\r\n{_escaped(form.separator)}]'
    cells = []
    for number, value in enumerate(loaded.values):
        cell = pl.col(str(number))
        free = value.type == expressions.TEXT and not _is_number(form.field[number].value)
        if form.formula == "error" and free:
            risky = texts.select(cell.str.contains(_FORMULA)).to_series()
            if risky.any():
                raise ExportError(
                    f"{form.field[number].name} begins like a formula", where=f"format {loaded.name}, {_name(lines, int(risky.arg_max() or 0))}",
                    mend='change the text, or write formula = "escape" in the format',
                )
        if form.formula == "escape" and free:
            cell = pl.when(cell.str.contains(_FORMULA)).then(pl.lit("'") + cell).otherwise(cell)
        if form.quote == "never":
            cell = cell.str.replace_all(_BREAKS, " ").str.replace_all(_escaped(form.separator), "/")
        else:
            quoted = pl.lit('"') + cell.str.replace_all('"', '""', literal=True) + pl.lit('"')
            cell = pl.when(cell.str.contains(special)).then(quoted).otherwise(cell)
        cells.append(cell)
    records = texts.select(pl.concat_str(cells, separator=form.separator)).to_series()
    if form.header:
        records = pl.concat([pl.Series([form.separator.join(field.name for field in form.field)]), records.rename("")])
    return _encoded(loaded, records, lines)


def _is_number(source: str) -> bool:
    """Whether a field is an amount or a number by its expression: such cells are never touched."""
    return source.lstrip().startswith(("amount(", "money(", "exact(", "cents(", "text(")) or "exact(" in source


def _escaped(separator: str) -> str:
    return {"\t": r"\t", "|": r"\|"}.get(separator, separator)


def write_fixed(loaded: LoadedFormat, lines: pl.DataFrame) -> bytes:
    """Records of one width; a value that is too long is an error or cut, as its field says."""
    texts = _texts(loaded, lines)
    cells = []
    for number, field in enumerate(loaded.format.field):
        first, last = field.span
        width = last - first + 1
        cell = pl.col(str(number)).str.replace_all(_BREAKS, " ")
        if field.overflow == "cut":
            cell = cell.str.head(width)
        elif field.overflow == "cut_left":
            cell = cell.str.tail(width)
        else:
            _check_width(loaded, field, number, texts, lines, width)
        cells.append(cell.str.pad_end(width, field.pad) if field.align == "left" else cell.str.pad_start(width, field.pad))
    records = texts.select(pl.concat_str(cells)).to_series()
    if loaded.format.record_header is not None and len(lines):
        source = expressions.compile_expression(loaded.format.record_header, loaded.format.columns, f"format {loaded.name}, record_header")
        records = pl.concat([lines.head(1).select(source.value.alias("")).to_series(), records.rename("")])
    return _encoded(loaded, records, lines)


def _check_width(
    loaded: LoadedFormat, field: FieldFormat, number: int, texts: pl.DataFrame, lines: pl.DataFrame, width: int
) -> None:
    lengths = texts[str(number)].str.len_chars()
    if len(lengths) and int(lengths.max() or 0) > width:  # type: ignore[arg-type] - lengths are whole numbers
        place = int(lengths.arg_max() or 0)
        raise ExportError(
            f"{texts[str(number)][place]!r} holds {lengths[place]} characters, the field {width}",
            where=f"format {loaded.name}, field {number + 1} ({field.name}), positions {field.at}, {_name(lines, place)}",
            mend='shorten the value, or write overflow = "cut" for this field',
        )


def write_xlsx(loaded: LoadedFormat, lines: pl.DataFrame) -> bytes:
    """A workbook with typed cells: the lines, and on a second sheet the totals by journal. Texts are never formulas."""
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet("Entries")
    sheet.freeze_panes = "A2"
    for number, field in enumerate(loaded.format.field, start=1):
        sheet.column_dimensions[_letters(number)].width = field.width or 14
    bold = Font(bold=True)

    def head(text: str) -> WriteOnlyCell:
        cell = WriteOnlyCell(sheet, text)
        cell.font = bold
        return cell

    sheet.append([head(field.name) for field in loaded.format.field])
    values = lines.select(value.value.alias(str(number)) for number, value in enumerate(loaded.values))
    formats = [field.number_format for field in loaded.format.field]
    for place, row in enumerate(values.iter_rows()):
        try:
            sheet.append([_cell(sheet, value, form) for value, form in zip(row, formats, strict=True)])
        except IllegalCharacterError:
            raise ExportError(
                "a text holds a control character, which no workbook can hold",
                where=f"format {loaded.name}, {_name(lines, place)}", mend="remove it from the label",
            ) from None
    totals = workbook.create_sheet("Totals")
    totals.append([head(name) for name in ("journal_code", "entries", "lines", "debit", "credit")])
    if "journal_code" in lines.columns:
        summed = (
            lines.group_by("journal_code")
            .agg(
                entries=pl.struct("fiscal_year", "entry_number").n_unique(),
                lines=pl.len(),
                debit=pl.col("debit").sum(),
                credit=pl.col("credit").sum(),
            )
            .sort("journal_code")
        )
        for row in summed.iter_rows():
            totals.append([_cell(totals, value, "#,##0.00##" if place > 2 else None) for place, value in enumerate(row)])
    buffer = io.BytesIO()
    workbook.properties.creator = "lettrage"
    workbook.properties.created = workbook.properties.modified = _EPOCH
    workbook.save(buffer)
    return _repacked(buffer.getvalue())


_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 - a workbook's times have no zone


def _cell(sheet: object, value: object, number_format: str | None) -> object:
    if isinstance(value, str):
        cell = WriteOnlyCell(sheet, value)
        cell.data_type = "s"  # else a text that begins with = becomes a formula
        return cell
    if number_format is None or value is None:
        return value
    cell = WriteOnlyCell(sheet, value)
    cell.number_format = number_format
    return cell


def _letters(number: int) -> str:
    return chr(64 + number) if number <= 26 else chr(64 + (number - 1) // 26) + chr(65 + (number - 1) % 26)


def _repacked(workbook: bytes) -> bytes:
    """The same workbook without the time it was made at, so that the same lines give the same bytes."""
    import re

    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for member in sorted(source.infolist(), key=lambda member: member.filename):
            content = source.read(member)
            if member.filename == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2000-01-01T00:00:00Z", content)
            target.writestr(zipfile.ZipInfo(member.filename, (2000, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


__all__ = ["write"]
