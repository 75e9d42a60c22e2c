"""Delimited files: cells with a separator between them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from pipeline.exports import cells as making
from pipeline.exports.cells import Texts, encoded

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from pipeline.exports.format import Cell, LoadedFormat

#: how a text begins that a spreadsheet takes for a formula
_FORMULA = r"^[=+\-@\t\r]"


def write_delimited(
    loaded: LoadedFormat, batches: Iterable[pl.DataFrame], heading: Iterable[str], target: BinaryIO
) -> None:
    """Writes rows; a cell with a separator, quote or line break in it is quoted, or they are replaced.

    Raises: ExportError naming the field and the row of a value that the format does not allow.
    """
    form = loaded.format
    texts = Texts(loaded)
    if form.encoding == "utf-8-sig":
        target.write(b"\xef\xbb\xbf")
    target.write(encoded(loaded, pl.Series([texts.line(line) for line in heading], dtype=pl.String)))
    if form.names:
        names = pl.DataFrame({str(n): [cell.name] for n, cell in enumerate(loaded.cells)})
        target.write(encoded(loaded, _records(loaded, names)))
    for batch in batches:
        made = [
            _harmless(loaded, cell, series, batch).alias(str(number))
            for number, (cell, series) in enumerate(zip(loaded.cells, texts.of(batch), strict=True))
        ]
        target.write(encoded(loaded, _records(loaded, pl.DataFrame(made))))


def _records(loaded: LoadedFormat, texts: pl.DataFrame) -> pl.Series:
    form = loaded.format
    special = f'["\r\n{re.escape(form.separator)}]'
    cells = []
    for name in texts.columns:
        cell = pl.col(name)
        quoted = pl.lit('"') + cell.str.replace_all('"', '""', literal=True) + pl.lit('"')
        if form.quote == "always":
            cell = quoted
        elif form.quote == "where_needed":
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
