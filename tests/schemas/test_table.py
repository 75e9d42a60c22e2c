"""A frame is held to its model, and what is wrong with it is said."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from pipeline.errors import InvariantError
from schemas import LEDGER, MOVEMENTS, REFERENCE, STORED
from schemas.table import Table, columns, empty, validate

TAXES, REPORTS, LINES = MOVEMENTS["expense_taxes"], MOVEMENTS["expense_reports"], STORED["entry_lines"]


def _rows(model: type[Table]) -> pl.DataFrame:
    """Two rows of a model: the first value of an enum, "1" in texts, ones, and no cell empty."""
    cells = [
        pl.Series(column.name, [column.values[0] if column.values else "1"] * 2)
        if column.polars_type == pl.String
        else pl.Series(column.name, [1, 1], pl.Int32).cast(column.polars_type)
        for column in columns(model)
    ]
    return pl.DataFrame(cells)


def _cells(**values: object) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Changes cells of the second row."""
    second = pl.int_range(pl.len()) == 1

    def changed(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(
            pl.when(second).then(pl.lit(value, frame.schema[name])).otherwise(name).alias(name)
            for name, value in values.items()
        )

    return changed


#: what is wrong, in which model, and what is said of it
WRONG: dict[str, tuple[type[Table], Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "a column is missing": (TAXES, lambda frame: frame.drop("vat_code"), "vat_code"),
    "there is a strange column": (TAXES, lambda frame: frame.with_columns(strange=1), "strange"),
    "whole numbers are too wide": (TAXES, lambda frame: frame.cast({"version": pl.Int64}), "version"),
    "a decimal has another scale": (TAXES, lambda frame: frame.cast({"vat_amount": pl.Decimal(18, 2)}), "vat_amount"),
    "a required cell is empty": (TAXES, _cells(expense=None), "expense: not_nullable"),
    "a number is too small": (TAXES, _cells(version=0), "version: greater_than_or_equal_to(1), as 0"),
    "a value is none of the enum": (REPORTS, _cells(status="lost"), "status: isin"),
    "a line has two sides": (LINES, _cells(debit=1, credit=1), "one_side"),
    "an axis is no text": (LINES, lambda frame: frame.with_columns(axis_cost=1), "axis_cost"),
}


@pytest.mark.parametrize("model", [*MOVEMENTS.values(), *REFERENCE.values(), *STORED.values(), *LEDGER.values()])
def test_a_table_without_rows_is_as_its_model_says(model: type[Table]) -> None:
    assert validate(empty(model), model).is_empty()


def test_rows_that_are_right_pass() -> None:
    validate(_rows(TAXES), TAXES)
    validate(_cells(vat_amount=None)(_rows(TAXES)), TAXES)
    validate(_rows(REPORTS), REPORTS)
    lines = _cells(debit=0)(_rows(LINES)).with_columns(debit=pl.lit(0, pl.Decimal(18, 4)))
    validate(lines, LINES)
    validate(lines.with_columns(axis_cost=pl.lit("S1"), axis_site=pl.lit(None, pl.String)), LINES)


@pytest.mark.parametrize("what", WRONG)
def test_it_is_said_that(what: str) -> None:
    model, change, said = WRONG[what]
    right = _rows(model)
    if model is LINES:
        right = right.with_columns(debit=pl.lit(0, pl.Decimal(18, 4)))
    with pytest.raises(InvariantError, match=f"table {model.__name__}") as error:
        validate(change(right), model)
    assert said in str(error.value)
