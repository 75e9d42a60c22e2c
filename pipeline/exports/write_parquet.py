"""Parquet files: a column a field, typed as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow.parquet as pq

from pipeline.exports import cells
from pipeline.exports.expressions import Type, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from pipeline.exports.entries import Shaped
    from pipeline.exports.format import LoadedFormat

_TYPES: dict[Type, Any] = {
    Type.AMOUNT: pl.Decimal(18, 4),
    Type.NUMBER: pl.Int64,
    Type.DATE: pl.Date,
    Type.BOOLEAN: pl.Boolean,
}


def write_parquet(loaded: LoadedFormat, batches: Iterable[Shaped], sink: BinaryIO) -> None:
    """Writes lines: texts, dates, whole numbers and decimals (18, 4), empty where there is nothing.

    Raises: ExportError naming the field and the row of a value that the format does not allow.
    """
    writer: pq.ParquetWriter | None = None
    try:
        for batch in batches:
            cells.check(loaded.cells, batch.lines)
            made = batch.lines.with_columns(
                _typed(
                    cell.typed.type, cell.typed.value if cell.typed.type != Type.TEXT else text_of(cell.typed)
                ).alias(f"field {number}")
                for number, cell in enumerate(loaded.cells)
            )
            table = pl.DataFrame(
                [made[f"field {n}"].alias(cell.name) for n, cell in enumerate(loaded.cells)]
            ).to_arrow()
            writer = writer or pq.ParquetWriter(sink, table.schema, compression="zstd")
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _typed(kind: Type, value: pl.Expr) -> pl.Expr:
    types: dict[Type, Any] = {
        Type.AMOUNT: pl.Decimal(18, 4),
        Type.NUMBER: pl.Int64,
        Type.DATE: pl.Date,
        Type.BOOLEAN: pl.Boolean,
    }
    return value.cast(types[kind]) if kind in types else pl.when(value != "").then(value)
