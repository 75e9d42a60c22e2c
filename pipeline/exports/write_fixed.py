"""Fixed-width files: records of one width, each field at its positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from pipeline.exports import cells as making
from pipeline.exports.cells import Texts, encoded

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from pipeline.exports.format import Cell, LoadedFormat


def write_fixed(
    loaded: LoadedFormat, batches: Iterable[pl.DataFrame], heading: Iterable[str], target: BinaryIO
) -> None:
    """Writes rows; a value that is too long for its field is cut or refused, as the field says.

    Raises: ExportError naming the field, its positions and the row.
    """
    texts = Texts(loaded)
    target.write(encoded(loaded, pl.Series([texts.line(line) for line in heading], dtype=pl.String)))
    for batch in batches:
        made = [
            _filled(cell, series, batch).alias(str(number))
            for number, (cell, series) in enumerate(zip(loaded.cells, texts.of(batch), strict=True))
        ]
        target.write(encoded(loaded, pl.DataFrame(made).select(pl.concat_str(pl.all())).to_series()))


def _filled(cell: Cell, texts: pl.Series, batch: pl.DataFrame) -> pl.Series:
    """The texts at the width of their field. An encoding of one byte a character makes characters bytes."""
    field = cell.field
    first, last = field.span
    width = last - first + 1
    if field.overflow == "cut":
        texts = texts.str.head(width)
    elif field.overflow == "cut_left":
        texts = texts.str.tail(width)
    else:
        lengths = texts.str.len_chars()
        if (lengths > width).any():
            place = int((lengths > width).arg_max() or 0)
            raise making.refused(
                cell,
                f"{texts[place]!r} has {lengths[place]} characters, the field {width}",
                batch.row(place, named=True),
                'shorten the value, or write overflow = "cut" for this field',
            )
    if field.align == "left":
        return texts.str.pad_end(width, field.pad)
    if field.pad == "0" and field.decimal is not None:
        # The sign stays in front: -00012, not 000-12.
        return pl.select(pl.when(pl.lit(texts) != "").then(pl.lit(texts).str.zfill(width)).otherwise(pl.lit(texts)))[
            :, 0
        ].str.pad_start(width, " ")
    return texts.str.pad_start(width, field.pad)
