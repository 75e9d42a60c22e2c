"""From a batch of rows to the texts of its fields: checked, cleaned, and such as the encoding has."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.errors import ExportError
from pipeline.exports.description import FieldFormat
from pipeline.exports.expressions import folded, text_of
from pipeline.exports.format import Cell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.exports.expressions import Typed
    from pipeline.exports.format import LoadedFormat, LoadedRecord

#: what would break a record where nothing is quoted: control characters, and what other programs take for line ends
BREAKS = r"[\p{Cc}\x{2028}\x{2029}]+"
_BREAKS_BUT_TAB = r"[\p{Cc}--\t\x{2028}\x{2029}]+"
_NO_FIELD = FieldFormat(name="text", value="")
_BEYOND_ASCII = r"[^\x00-\x7f]"


def name(row: dict[str, Any]) -> str:
    """What a person knows a row by."""
    if "export_number" in row and "entry_number" not in row:
        return "the file itself"
    if "entry_number" not in row and "account" in row:
        return f"account {row['account']}"
    if "line_number" in row:
        return (
            f"entry {row['journal_code']} {row['fiscal_year']} {row['entry_number']}, line {row['line_number']} "
            f"(document {row['document']})"
        )
    return f"payment of {row['payment_order']} to {row['employee']}"


def check(cells: Iterable[Cell], batch: pl.DataFrame) -> None:
    """Holds a batch to what fields demand. Raises: ExportError naming the field, the row and what is wrong."""
    checks = [(cell, check) for cell in cells for check in cell.typed.checks]
    if not checks:
        return
    broken = batch.select(check.broken.any().alias(str(number)) for number, (_, check) in enumerate(checks)).row(0)
    for is_broken, (cell, found) in zip(broken, checks, strict=True):
        if is_broken:
            row = batch.filter(found.broken).head(1)
            value = str(row.select(found.value.alias("value")).item())
            raise refused(cell, f"{value!r} {found.what}" if value else found.what, row.row(0, named=True))


def refused(cell: Cell, what: str, row: dict[str, Any], mend: str | None = None) -> ExportError:
    """The error of a value that a field cannot hold."""
    return ExportError(what, where=f"{cell.place}, {name(row)}", mend=mend)


class Texts:
    """Makes the texts of a format's records, batch after batch."""

    def __init__(self, loaded: LoadedFormat) -> None:
        form = loaded.format
        self._loaded = loaded
        self._encoding = None if form.encoding.startswith("utf") else form.encoding
        self._known: dict[str, str] = {}
        self._lacking: set[str] = set()
        self._is_bare = form.kind in ("fixed", "text") or (form.kind == "delimited" and form.quote == "never")
        self._replaced = dict(form.replace)
        if form.kind == "delimited" and self._is_bare and form.separator != "\r\n":
            self._replaced.setdefault(form.separator, " ")

    def of(self, made: LoadedRecord, batch: pl.DataFrame) -> list[pl.Series]:
        """Returns a series of texts a field. Raises: ExportError naming the field, the row and what is wrong."""
        check(made.cells, batch)
        # A constant alone would be one row: the texts stand beside the batch's columns.
        texts = batch.with_columns(text_of(cell.typed).alias(f"field {n}") for n, cell in enumerate(made.cells))
        return [
            filled(cell, series if cell.typed.is_figure else self._plain(cell, series, batch), batch)
            for cell, series in ((cell, texts[f"field {number}"]) for number, cell in enumerate(made.cells))
        ]

    def line(self, text: Typed, place: str, batch: pl.DataFrame) -> pl.Series:
        """The texts of a record that is one expression, cleaned as fields are."""
        cell = Cell("", _NO_FIELD, text, place)
        check([cell], batch)
        texts = batch.with_columns(text_of(text).alias("line"))["line"]
        for old, new in self._loaded.format.replace.items():
            texts = texts.str.replace_all(old, new, literal=True)
        breaks = BREAKS if self._loaded.format.kind in ("delimited", "fixed") else _BREAKS_BUT_TAB
        return self._encodable(texts.str.replace_all(breaks, " "), cell, batch)

    def _plain(self, cell: Cell, texts: pl.Series, batch: pl.DataFrame) -> pl.Series:
        for old, new in self._replaced.items():
            if texts.str.contains(old, literal=True).any():
                texts = texts.str.replace_all(old, new, literal=True)
        if self._is_bare and texts.str.contains(BREAKS).any():
            texts = texts.str.replace_all(BREAKS, " ")
        return self._encodable(texts, cell, batch)

    def _encodable(self, texts: pl.Series, cell: Cell, batch: pl.DataFrame) -> pl.Series:
        """The texts in letters of the encoding; only what it lacks is spelt otherwise, as the format says."""
        if self._encoding is None:
            return texts
        beyond = texts.str.contains(_BEYOND_ASCII)
        if not beyond.any():
            return texts
        texts = texts.str.normalize("NFC")
        met = set("".join(texts.filter(beyond).unique().to_list()))
        for letter in met - self._known.keys() - self._lacking:
            self._learn(letter)
        lacking = sorted(met & self._lacking)
        if lacking:
            place = texts.str.contains_any(lacking).arg_max() or 0
            what = f"{texts[place]!r}: {self._encoding} has no {lacking[0]!r}"
            mend = 'change the text, or write unknown_characters = "replace" in the format'
            raise refused(cell, what, batch.row(place, named=True), mend)
        spelt = {letter: other for letter in met if (other := self._known[letter]) != letter}
        return texts.str.replace_many(list(spelt), list(spelt.values())) if spelt else texts

    def _learn(self, letter: str) -> None:
        """Finds how a letter is written: as it is, or spelt otherwise where the encoding lacks it."""
        encoding = str(self._encoding)
        if letter.encode(encoding, "ignore"):
            self._known[letter] = letter
            return
        rule = self._loaded.format.unknown_characters
        spelt = pl.DataFrame({"letter": [letter]}).select(folded(pl.col("letter"), "\x00")).item()
        if rule == "error" or (rule == "fold" and "\x00" in spelt):
            self._lacking.add(letter)
        else:
            self._known[letter] = spelt.replace("\x00", "?")


def filled(cell: Cell, texts: pl.Series, batch: pl.DataFrame) -> pl.Series:
    """The texts at the width of their field, cut or refused where they are too long.

    An encoding of one byte a character makes characters bytes. Raises: ExportError naming the field and the row.
    """
    field = cell.field
    width = field.size
    if width is None:
        return texts
    if field.overflow == "cut":
        texts = texts.str.head(width)
    elif field.overflow == "cut_left":
        texts = texts.str.tail(width)
    else:
        lengths = texts.str.len_chars()
        if (lengths > width).any():
            place = int((lengths > width).arg_max() or 0)
            raise refused(
                cell,
                f"{texts[place]!r} has {lengths[place]} characters, the field {width}",
                batch.row(place, named=True),
                'shorten the value, or write overflow = "cut" for this field',
            )
    if not field.is_filled:
        return texts
    if field.align == "left":
        return texts.str.pad_end(width, field.pad)
    if field.pad == "0" and field.decimal is not None:
        # The sign stays in front: -00012, not 000-12.
        return pl.select(pl.when(pl.lit(texts) != "").then(pl.lit(texts).str.zfill(width)).otherwise(pl.lit(texts)))[
            :, 0
        ].str.pad_start(width, " ")
    return texts.str.pad_start(width, field.pad)


def encoded(loaded: LoadedFormat, records: pl.Series) -> bytes:
    """Records as bytes, each with its line end."""
    if records.is_empty():
        return b""
    newline = loaded.format.newline
    encoding = loaded.format.encoding
    text = str(records.str.join(newline).item()) + newline
    return text.encode({"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}.get(encoding, encoding))


def byte_order_mark(loaded: LoadedFormat) -> bytes:
    """What stands before the first character."""
    return {"utf-8-sig": codecs.BOM_UTF8, "utf-16": codecs.BOM_UTF16_LE}.get(loaded.format.encoding, b"")
