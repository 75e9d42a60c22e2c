"""Delimited files: cells with a separator between them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from pipeline.exports import cells as making
from pipeline.exports.cells import Texts, joined, padded

if TYPE_CHECKING:
    from pipeline.exports.format import Cell, LoadedFormat, LoadedRecord

#: how a text begins that a spreadsheet takes for a formula
_FORMULA = r"^[=+\-@\t\r]"


class Delimited:
    """Makes records of cells with a separator between them."""

    def __init__(self, loaded: LoadedFormat) -> None:
        self._loaded = loaded
        self._texts = Texts(loaded)

    def records(self, made: LoadedRecord, rows: pl.DataFrame) -> pl.Series:
        """A record a row; a cell with a separator, quote or line break in it is quoted, or they are replaced.

        Raises: ExportError naming the field and the row of a value that the format does not allow.
        """
        if made.text is not None:
            return self._texts.line(made.text, made.place, rows)
        if made.record.row is not None:
            names = [self._quoted(pl.lit(cell), cell, None) for cell in made.record.row]
            return joined(names, rows, self._loaded.format.separator)
        texts = self._texts.of(made, rows)
        fields = [self._field(cell, given, rows) for cell, given in zip(made.cells, texts, strict=True)]
        return joined(fields, rows, self._loaded.format.separator)

    def _field(self, cell: Cell, given: pl.Series | str, rows: pl.DataFrame) -> pl.Expr:
        given = self._harmless(cell, given, rows)
        return self._quoted(padded(cell, given), given, cell)

    def _quoted(self, texts: pl.Expr, given: pl.Series | str, cell: Cell | None) -> pl.Expr:
        """The texts in quotes, where the format or the field wants them or a text needs them."""
        form = self._loaded.format
        always = form.quote == "always" or (form.quote == "texts" and cell is not None and not cell.is_figure)
        if cell is not None and cell.field.quoted is not None:
            always = cell.field.quoted
        if not always and (form.quote not in ("where_needed", "texts") or not _has(given, f'"\r\n{form.separator}')):
            return texts
        quoted = pl.concat_str(pl.lit('"'), texts.str.replace_all('"', '""', literal=True), pl.lit('"'))
        if always:
            return quoted
        special = f'["\r\n{re.escape(form.separator)}]'
        return pl.when(texts.str.contains(special)).then(quoted).otherwise(texts)

    def _harmless(self, cell: Cell, given: pl.Series | str, rows: pl.DataFrame) -> pl.Series | str:
        """The texts such that no spreadsheet takes one for a formula, as the format says; numbers are left alone."""
        rule, separator = self._loaded.format.formula, self._loaded.format.separator
        if cell.typed.is_figure and self._loaded.format.quote == "never" and _has(given, separator[:1]):
            # Texts have been cleaned of it; an amount or a date is never changed.
            texts = pl.Series([given]) if isinstance(given, str) else given
            broken = texts.str.contains(separator, literal=True)
            if broken.any():
                place = broken.arg_max() or 0
                what = f"{texts[place]!r} has the separator {separator!r} in it, and nothing is quoted"
                raise making.refused(cell, what, rows.row(place, named=True), "choose another separator")
        if rule == "keep" or cell.typed.is_figure or isinstance(given, str) or not _has(given, "=+-@\t\r"):
            return given
        risky = given.str.contains(_FORMULA)
        if not risky.any():
            return given
        if rule == "error":
            place = risky.arg_max() or 0
            raise making.refused(
                cell,
                f"{given[place]!r} begins like a formula",
                rows.row(place, named=True),
                'change the text, or write formula = "escape" in the format',
            )
        escaped = pl.when(pl.lit(risky)).then(pl.lit("'") + pl.lit(given)).otherwise(pl.lit(given))
        return pl.select(escaped).to_series()


def _has(given: pl.Series | str, characters: str) -> bool:
    """Whether one of the characters, ASCII all of them, stands in any text."""
    raw = given.encode() if isinstance(given, str) else making.raw_of(given)
    return any(character.encode() in raw for character in characters)
