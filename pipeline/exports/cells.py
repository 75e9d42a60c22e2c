"""From a batch of rows to the texts of its fields: checked, cleaned, and such as the encoding has."""

from __future__ import annotations

import codecs
import unicodedata
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
_BREAKS_BEYOND_ASCII = [character.encode() for character in (*map(chr, range(0x80, 0xA0)), "\u2028", "\u2029")]
#: where an encoding differs from ISO 8859-1
_NEARLY_LATIN_1 = {
    encoding: bytes(byte for byte in range(0x80, 0x100) if bytes([byte]).decode(encoding, "replace") != chr(byte))
    for encoding in ("cp1252", "iso8859-15")
}
_CONTROLS = bytes([*range(0x20), 0x7F])


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

    def of(self, made: LoadedRecord, batch: pl.DataFrame) -> list[pl.Series | str]:
        """Returns the texts of each field, none too long, or the one text of a constant; `padded` fills them up.

        Raises: ExportError naming the field, the row and what is wrong.
        """
        check(made.cells, batch)
        varying = [(f"field {n}", cell) for n, cell in enumerate(made.cells) if cell.typed.constant is None]
        # A column that is null throughout would be one row: the texts stand beside the batch's columns.
        texts = batch.with_columns(text_of(cell.typed).alias(name) for name, cell in varying)
        texts = texts.select(name for name, _ in varying)
        texts = texts.with_columns(
            self._plain(cell, texts[name], batch) for name, cell in varying if not cell.typed.is_figure
        )
        sized = [(name, cell) for name, cell in varying if cell.field.size is not None]
        longest = texts.select(pl.col(name).str.len_bytes().max() for name, _ in sized)
        for name, cell in sized:
            if (longest[name][0] or 0) > (cell.field.size or 0):
                texts = texts.with_columns(cut(cell, texts[name], batch))
        return [
            self._constant(cell, batch) if cell.typed.constant is not None else texts[f"field {number}"]
            for number, cell in enumerate(made.cells)
        ]

    def _constant(self, cell: Cell, batch: pl.DataFrame) -> str:
        """The text of a field that is the same on every row."""
        row = batch.head(1)
        text = self._plain(cell, pl.Series([str(cell.typed.constant)] * len(row), dtype=pl.String), row)
        return "".join(cut(cell, text, row)) if cell.field.size is not None else "".join(text)

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
        # What is in a column at all is told from its bytes, far faster than by a look at each text.
        raw = raw_of(texts)
        for old, new in self._replaced.items():
            if old.encode() in raw:
                texts = texts.str.replace_all(old, new, literal=True)
        if self._is_bare and _has_breaks(raw):
            texts = texts.str.replace_all(BREAKS, " ")
        return texts if raw.isascii() else self._encodable(texts, cell, batch)

    def _encodable(self, texts: pl.Series, cell: Cell, batch: pl.DataFrame) -> pl.Series:
        """The texts in letters of the encoding; only what it lacks is spelt otherwise, as the format says."""
        if self._encoding is None:
            return texts
        met = _beyond_ascii(texts)
        if any(unicodedata.combining(letter) for letter in met):
            # A letter and its accent may be two characters.
            texts = texts.str.normalize("NFC")
            met = _beyond_ascii(texts)
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


def joined(fields: list[pl.Expr], rows: pl.DataFrame, separator: str = "") -> pl.Series:
    """A record a row: the fields one after the other."""
    # Beside a column of the rows, constants alone are as many as the rows too.
    return rows.select(pl.first().is_null().alias("row"), pl.concat_str(fields, separator=separator).alias("record"))[
        "record"
    ]


def filled(cell: Cell, texts: pl.Series, batch: pl.DataFrame) -> pl.Series:
    """The texts at the width of their field. Raises: ExportError as cut does."""
    return texts if cell.field.size is None else pl.select(padded(cell, cut(cell, texts, batch))).to_series()


def cut(cell: Cell, texts: pl.Series, batch: pl.DataFrame) -> pl.Series:
    """The texts, those that are too long for their field cut or refused, as it says.

    An encoding of one byte a character makes characters bytes. Raises: ExportError naming the field and the row.
    """
    field = cell.field
    width = field.size or 0
    if field.overflow == "cut":
        return texts.str.head(width)
    if field.overflow == "cut_left":
        return texts.str.tail(width)
    lengths = texts.str.len_chars()
    if (lengths > width).any():
        place = int((lengths > width).arg_max() or 0)
        raise refused(
            cell,
            f"{texts[place]!r} has {lengths[place]} characters, the field {width}",
            batch.row(place, named=True),
            'shorten the value, or write overflow = "cut" for this field',
        )
    return texts


def padded(cell: Cell, given: pl.Series | str) -> pl.Expr:
    """The texts filled up to the width of their field."""
    field = cell.field
    width = field.size
    texts = pl.lit(given)
    if width is None or not field.is_filled:
        return texts
    if field.align == "left":
        return texts.str.pad_end(width, field.pad)
    if field.pad == "0" and cell.typed.is_figure:
        # The sign stays in front: -00012, not 000-12.
        if isinstance(given, pl.Series) and (given.str.len_bytes().min() or 0) > 0:  # type: ignore[operator]  # a number
            return texts.str.zfill(width)
        return pl.when(texts != "").then(texts.str.zfill(width)).otherwise(texts).str.pad_start(width, " ")
    return texts.str.pad_start(width, field.pad)


def encoded(loaded: LoadedFormat, records: pl.Series) -> bytes:
    """Records as bytes, each with its line end."""
    if records.is_empty():
        return b""
    raw = raw_of(pl.select(pl.concat_str(pl.lit(records), pl.lit(loaded.format.newline))).to_series())
    encoding = loaded.format.encoding
    if encoding in ("utf-8", "utf-8-sig") or (raw.isascii() and encoding != "utf-16"):
        return raw
    text = raw.decode("utf-8")
    if encoding in _NEARLY_LATIN_1:
        # Python encodes ISO 8859-1 far faster than its neighbours, which differ from it in few characters.
        latin = text.encode("iso8859-1", "ignore")
        if len(latin) == len(text) and len(latin.translate(None, _NEARLY_LATIN_1[encoding])) == len(latin):
            return latin
    return text.encode({"utf-16": "utf-16-le"}.get(encoding, encoding))


def _has_breaks(raw: bytes) -> bool:
    """Whether a control character, or what others take for a line end, stands in it."""
    if len(raw) != len(raw.translate(None, _CONTROLS)):
        return True
    return not raw.isascii() and any(mark in raw for mark in _BREAKS_BEYOND_ASCII)


def _beyond_ascii(texts: pl.Series) -> set[str]:
    """The characters of texts that ASCII lacks."""
    return set(raw_of(texts).translate(None, bytes(range(0x80))).decode("utf-8"))


def raw_of(texts: pl.Series) -> bytes:
    """The bytes of all texts, one after the other."""
    if texts.null_count() or texts.is_empty():
        return "".join(texts.drop_nulls()).encode()
    array = texts.to_arrow(compat_level=pl.CompatLevel.oldest())
    offsets, data = array.buffers()[1:]
    if data is None:
        return b""
    starts = memoryview(offsets).cast("q")
    return bytes(memoryview(data)[starts[array.offset] : starts[array.offset + len(array)]])


def byte_order_mark(loaded: LoadedFormat) -> bytes:
    """What stands before the first character."""
    return {"utf-8-sig": codecs.BOM_UTF8, "utf-16": codecs.BOM_UTF16_LE}.get(loaded.format.encoding, b"")
