"""The error file beside an input: a row a rejected line, what is wrong with it, and its cells as they stood.

Its name is that of the input with `.errors.csv` behind. Where all lines are good there is none.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import polars as pl

from pipeline.masterdata.drop import ERRORS, PLACE, readable

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.masterdata.drop import Drop

#: the columns before the cells of the line
HEAD = ["error_table", "error_line", "error_column", "error_value", "error_why", "error_mend"]
#: bytes that the name of a file has at most, and what is around an input's while its error file is written
_LONGEST = 255 - len(f".{ERRORS}.partial")


def errors_beside(path: Path) -> Path:
    """The error file of an input."""
    return path.with_name(shortened(path.name, _LONGEST) + ERRORS)


def shortened(name: str, most: int) -> str:
    """A file's name with so many bytes at most: its begin is cut, for its end says what it is."""
    said = os.fsencode(name)
    return name if len(said) <= most else said[-most:].decode("utf-8", "ignore")


def write_whole(rows: pl.DataFrame, path: Path) -> None:
    """Writes a CSV file at once, whatever its name. Its encoding is marked, so that Excel opens it as it is."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        rows.write_csv(file, include_bom=True)
    partial.replace(path)


def write_errors(drop: Drop, rejected: pl.DataFrame) -> list[Path]:
    """Writes the error file of every input that has rejected lines, and removes that of every other.

    rejected: a row a finding (plan.py). Returns the files written.
    """
    inputs = sorted({table.path for table in drop.tables.values()})
    written = []
    for path in inputs:
        beside = errors_beside(path)
        of_file = rejected.filter(pl.col("file") == readable(str(path)))
        if of_file.is_empty():
            beside.unlink(missing_ok=True)
            continue
        write_whole(_rows(drop, of_file), beside)
        written.append(beside)
    return written


def _rows(drop: Drop, of_file: pl.DataFrame) -> pl.DataFrame:
    order = of_file["table_name"].unique(maintain_order=True).to_list()
    parts = []
    for name in order:
        said = [
            pl.col(column)
            .drop_nulls()
            .unique(maintain_order=True)
            .str.join("; ")
            .replace("", None)
            .alias(f"error_{alias}")
            for column, alias in (("column_name", "column"), ("value", "value"), ("why", "why"), ("mend", "mend"))
        ]
        lines = (
            of_file.filter(pl.col("table_name") == name)
            .with_columns(
                why=pl.when(pl.col("column_name").is_null())
                .then("why")
                .otherwise(pl.format("{}: {}", "column_name", "why"))
            )
            .group_by("line", PLACE, maintain_order=True)
            .agg(*said)
        )
        cells = drop.tables[name].cells
        parts.append(
            lines.join(cells, on=PLACE, how="left", maintain_order="left")
            .with_columns(error_table=pl.lit(name))
            .rename({"line": "error_line"})
            .select(*HEAD, *cells.columns[1:])
        )
    return pl.concat(parts, how="diagonal")
