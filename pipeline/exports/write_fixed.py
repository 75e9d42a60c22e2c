"""Fixed-width files: records of one width, each field at its positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.exports.cells import Texts, joined, padded

if TYPE_CHECKING:
    import polars as pl

    from pipeline.exports.format import LoadedFormat, LoadedRecord


class Fixed:
    """Makes records of fixed width."""

    def __init__(self, loaded: LoadedFormat) -> None:
        self._texts = Texts(loaded)

    def records(self, made: LoadedRecord, rows: pl.DataFrame) -> pl.Series:
        """A record a row; a value that is too long is cut or refused, as its field says.

        Raises: ExportError naming the field, its positions and the row.
        """
        if made.text is not None:
            return self._texts.line(made.text, made.place, rows)
        texts = self._texts.of(made, rows)
        return joined([padded(cell, given) for cell, given in zip(made.cells, texts, strict=True)], rows)


class Lines:
    """Makes records that are one text each."""

    def __init__(self, loaded: LoadedFormat) -> None:
        self._texts = Texts(loaded)

    def records(self, made: LoadedRecord, rows: pl.DataFrame) -> pl.Series:
        """A line a row. Raises: ExportError naming the row of a character that the encoding lacks."""
        assert made.text is not None  # noqa: S101 - the format was checked when it was loaded
        return self._texts.line(made.text, made.place, rows)
