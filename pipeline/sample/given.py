"""What of the sample is written by hand: CSV files in given/, and how columns are looked up in them.

given/reference/ and given/batch-1..3/ hold rows that go into the sample as they stand: the companies, their charts of
accounts, the payment orders, and the documents that show something (README.md there). The other files are what names,
amounts and VAT codes are drawn from.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import polars as pl

_GIVEN = Path(__file__).parent / "given"


@cache
def given(name: str) -> pl.DataFrame:
    """A file of given/, all text; an empty cell is null."""
    return pl.read_csv(_GIVEN / f"{name}.csv", infer_schema=False)


def given_rows(directory: str) -> dict[str, pl.DataFrame]:
    """The tables of a directory of given/, by name."""
    return {path.stem: given(f"{directory}/{path.stem}") for path in sorted((_GIVEN / directory).glob("*.csv"))}


def choices(name: str, key: str, column: str) -> dict[str, list[str]]:
    """What a file offers to draw from: the texts of `column`, cut at `|`, by the words of `key`."""
    table = given(name)
    return {word: text.split("|") for word, text in zip(table[key], table[column], strict=True)}


def look_up(values: pl.Series, index: pl.Expr) -> pl.Expr:
    """The value at an index, row by row."""
    return pl.lit(values).gather(index)
