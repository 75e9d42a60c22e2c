"""From a batch of rows to the texts of its fields: checked, cleaned, and such as the encoding has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.errors import ExportError
from pipeline.exports.expressions import folded, text_of

if TYPE_CHECKING:
    from pipeline.exports.format import Cell, LoadedFormat

#: what would break a record where nothing is quoted: control characters, and what other programs take for line ends
BREAKS = r"[\p{Cc}\x{2028}\x{2029}]+"
_BEYOND_ASCII = r"[^\x00-\x7f]"


def name(row: dict[str, Any]) -> str:
    """What a person knows a row by."""
    if "line_number" in row:
        return (
            f"entry {row['journal_code']} {row['fiscal_year']} {row['entry_number']}, line {row['line_number']} "
            f"(document {row['document']})"
        )
    return f"payment of {row['payment_order']} to {row['employee']}"


def check(loaded: LoadedFormat, batch: pl.DataFrame) -> None:
    """Holds a batch to what its fields demand. Raises: ExportError naming the field, the row and what is wrong."""
    checks = [(cell, check) for cell in loaded.cells for check in cell.typed.checks]
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
    """Makes the texts of a format's fields, batch after batch."""

    def __init__(self, loaded: LoadedFormat) -> None:
        form = loaded.format
        self._loaded = loaded
        self._encoding = None if form.encoding.startswith("utf-8") else form.encoding
        self._known: dict[str, str] = {}
        self._lacking: set[str] = set()
        self._is_bare = form.kind == "fixed" or form.quote == "never"
        self._replaced = dict(form.replace)
        if form.kind == "delimited" and self._is_bare:
            self._replaced.setdefault(form.separator, " ")

    def of(self, batch: pl.DataFrame) -> list[pl.Series]:
        """Returns a series of texts a field. Raises: ExportError naming the field, the row and what is wrong."""
        check(self._loaded, batch)
        cells = self._loaded.cells
        made = batch.with_columns(text_of(cell.typed).alias(f"field {n}") for n, cell in enumerate(cells))
        return [
            texts if cell.typed.is_figure else self._plain(cell, texts, batch)
            for cell, texts in ((cell, made[f"field {number}"]) for number, cell in enumerate(cells))
        ]

    def line(self, text: str) -> str:
        """A line at the top of the file, cleaned as the fields are."""
        series = pl.Series([text])
        for old, new in self._loaded.format.replace.items():
            series = series.str.replace_all(old, new, literal=True)
        return str(self._encodable(series.str.replace_all(BREAKS, " "), None, None)[0])

    def _plain(self, cell: Cell, texts: pl.Series, batch: pl.DataFrame) -> pl.Series:
        for old, new in self._replaced.items():
            if texts.str.contains(old, literal=True).any():
                texts = texts.str.replace_all(old, new, literal=True)
        if self._is_bare and texts.str.contains(BREAKS).any():
            texts = texts.str.replace_all(BREAKS, " ")
        return self._encodable(texts, cell, batch)

    def _encodable(self, texts: pl.Series, cell: Cell | None, batch: pl.DataFrame | None) -> pl.Series:
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
            if cell is None or batch is None:
                raise ExportError(what, where=f"format {self._loaded.name}, heading", mend=mend)
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


def encoded(loaded: LoadedFormat, records: pl.Series) -> bytes:
    """Records as bytes, each with its line end."""
    if records.is_empty():
        return b""
    newline = loaded.format.newline
    encoding = loaded.format.encoding
    text = str(records.str.join(newline).item()) + newline
    return text.encode("utf-8" if encoding == "utf-8-sig" else encoding)
