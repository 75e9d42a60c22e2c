"""Delimited files: cells with a separator between them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from pipeline.exports import cells as making
from pipeline.exports.cells import Texts

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
            names = pl.DataFrame({str(number): [cell] for number, cell in enumerate(made.record.row)})
            return _joined(self._loaded, names, [None] * len(made.record.row))
        texts = [
            _harmless(self._loaded, cell, series, rows).alias(str(number))
            for number, (cell, series) in enumerate(zip(made.cells, self._texts.of(made, rows), strict=True))
        ]
        return _joined(self._loaded, pl.DataFrame(texts), [*made.cells])


def _joined(loaded: LoadedFormat, texts: pl.DataFrame, fields: list[Cell | None]) -> pl.Series:
    form = loaded.format
    special = f'["\r\n{re.escape(form.separator)}]'
    cells = []
    for name, field in zip(texts.columns, fields, strict=True):
        cell = pl.col(name)
        quoted = pl.lit('"') + cell.str.replace_all('"', '""', literal=True) + pl.lit('"')
        always = form.quote == "always" or (form.quote == "texts" and field is not None and not field.is_figure)
        if field is not None and field.field.quoted is not None:
            always = field.field.quoted
        if always:
            cell = quoted
        elif form.quote in ("where_needed", "texts"):
            needed = texts[name].str.contains(special)
            if needed.any():
                cell = pl.when(pl.lit(needed)).then(quoted).otherwise(cell)
        cells.append(cell)
    return texts.select(pl.concat_str(cells, separator=form.separator)).to_series()


def _harmless(loaded: LoadedFormat, cell: Cell, texts: pl.Series, batch: pl.DataFrame) -> pl.Series:
    """The texts such that no spreadsheet takes one for a formula, as the format says; numbers are left alone."""
    rule, separator = loaded.format.formula, loaded.format.separator
    if cell.typed.is_figure and loaded.format.quote == "never":
        # Texts have been cleaned of it; an amount or a date is never changed.
        broken = texts.str.contains(separator, literal=True)
        if broken.any():
            place = broken.arg_max() or 0
            what = f"{texts[place]!r} has the separator {separator!r} in it, and nothing is quoted"
            raise making.refused(cell, what, batch.row(place, named=True), "choose another separator")
    if rule == "keep" or cell.typed.is_figure:
        return texts
    risky = texts.str.contains(_FORMULA)
    if not risky.any():
        return texts
    if rule == "error":
        place = risky.arg_max() or 0
        raise making.refused(
            cell,
            f"{texts[place]!r} begins like a formula",
            batch.row(place, named=True),
            'change the text, or write formula = "escape" in the format',
        )
    escaped = pl.select(pl.when(pl.lit(risky)).then(pl.lit("'") + pl.lit(texts)).otherwise(pl.lit(texts)))
    return escaped.to_series()
