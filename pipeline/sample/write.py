"""Tables out: CSV or Parquet, slice after slice, so that a table of any length takes the memory of one slice."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Self

import polars as pl
import pyarrow.parquet as pq

from pipeline.errors import UsageError
from schemas.table import Form, columns

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from schemas.table import Column, Table


class TableWriter:
    """Writes a table into a directory under its name; the file appears whole, when it is closed, if it has a row."""

    def __init__(self, directory: Path, name: str, model: type[Table], *, parquet: bool) -> None:
        suffixes = ("parquet", "csv") if parquet else ("csv", "parquet")
        self.path, self._other = (directory / f"{name}.{suffix}" for suffix in suffixes)
        self._columns = columns(model)
        self._partial = directory / f".{name}.partial"
        self._parquet = parquet
        self._csv: IO[bytes] | None = None
        self._writer: Any = None
        self.row_count = 0

    def __enter__(self) -> Self:
        return self

    def write(self, rows: pl.DataFrame) -> None:
        """Adds rows; columns that the model does not name are left out, and those of it that the rows lack."""
        if rows.is_empty():
            return
        self._columns = [column for column in self._columns if column.name in rows.columns]
        self.row_count += rows.height
        if self._parquet:
            typed = rows.select(_typed(column, rows.schema[column.name]) for column in self._columns)
            arrow = typed.to_arrow(compat_level=pl.CompatLevel.oldest())
            self._writer = self._writer or pq.ParquetWriter(self._partial, arrow.schema, compression="zstd")
            self._writer.write_table(arrow)
            return
        is_first = self._csv is None
        self._csv = self._csv or self._partial.open("wb")
        rows.select(column.name for column in self._columns).write_csv(self._csv, include_header=is_first)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._csv, self._writer):
            if file is not None:
                file.close()
        if kind is not None:
            self._partial.unlink(missing_ok=True)
            return
        # A table in two files of a directory is an error: what an earlier sample left goes.
        self._other.unlink(missing_ok=True)
        if self.row_count:
            self._partial.replace(self.path)
        else:
            self.path.unlink(missing_ok=True)


def make_directory(path: Path) -> Path:
    """Makes a directory, if it is not there. Raises: UsageError where it cannot be one."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be made a directory: {error.strerror}", mend="give another directory with --out"
        ) from None
    return path


def _typed(column: Column, dtype: pl.DataType) -> pl.Expr:
    """A column as its model has it."""
    value = pl.col(column.name)
    if dtype == pl.String and column.form is Form.DATE:
        return value.str.to_date()
    if dtype == pl.String and column.form is Form.BOOLEAN:
        return value == "true"
    return value.cast(column.polars_type)
