"""Parquet files: a column a field, typed as it is."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow.parquet as pq

from pipeline.exports import cells
from pipeline.exports.expressions import POLARS, Type, text_of
from pipeline.exports.render import Renderer, Sums

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import BinaryIO

    from pipeline.exports.entries import Shaped
    from pipeline.exports.format import Cell, LoadedFormat, LoadedRecord


class Columns:
    """Makes rows of typed columns: texts, dates, whole numbers and decimals (18, 4), empty where there is nothing."""

    def records(self, made: LoadedRecord, rows: pl.DataFrame) -> pl.Series:
        """A struct a row, its fields by their places.

        Raises: ExportError naming the field and the row of a value that the format does not allow.
        """
        cells.check(made.cells, rows)
        names = [str(number) for number in range(len(made.cells))]
        typed = rows.with_columns(_typed(cell).alias(name) for name, cell in zip(names, made.cells, strict=True))
        return typed.select(names).to_struct()


def write_parquet(loaded: LoadedFormat, batches: Iterable[Shaped], facts: Mapping[str, Any], sink: BinaryIO) -> Sums:
    """Writes lines, a row group a batch; returns what was written. Raises: ExportError as Columns does."""
    renderer = Renderer(loaded, Columns(), facts)
    with pq.ParquetWriter(
        _Stream(sink), _arrow(loaded.cells, _nothing(loaded.cells)).schema, compression="zstd"
    ) as writer:
        for batch in batches:
            for rows in renderer.batch(batch).values():
                writer.write_table(_arrow(loaded.cells, rows))
    return renderer.sums


class _Stream(io.RawIOBase):
    """What Arrow writes to: it wants to know how far it is, and closes what it has written."""

    def __init__(self, sink: BinaryIO) -> None:
        super().__init__()
        self._sink = sink
        self._size = 0

    def writable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """How many bytes were written."""
        return self._size

    def write(self, data: Any) -> int:
        """Adds bytes."""
        self._size += len(data)
        return self._sink.write(data)


def _nothing(fields: Iterable[Cell]) -> pl.Series:
    return pl.DataFrame(schema={str(number): POLARS[cell.typed.type] for number, cell in enumerate(fields)}).to_struct()


def _arrow(fields: Iterable[Cell], rows: pl.Series) -> Any:
    columns = rows.struct.unnest()
    named = [columns[str(number)].alias(cell.name) for number, cell in enumerate(fields)]
    # The types that every reader of Parquet knows.
    return pl.DataFrame(named).to_arrow(compat_level=pl.CompatLevel.oldest())


def _typed(cell: Cell) -> pl.Expr:
    text = text_of(cell.typed)
    if cell.typed.type == Type.TEXT:
        return pl.when(text != "").then(text)
    return cell.typed.value.cast(POLARS[cell.typed.type])
