"""What a table model is: pandera's, with a key and a form for each column, so that all else can be made from it.

Casts, empty tables, the data dictionary and the checks of what a stage returns are all made from the models; nothing
else in the project says what columns a table has.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

from pipeline.errors import InvariantError

_KEYS: dict[type, tuple[str, ...]] = {}


class Form(StrEnum):
    """What a cell of a column looks like."""

    TEXT = "text"
    ENUM = "enum"
    INTEGER = "integer"
    BIGINT = "bigint"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    MONTH_DAY = "month_day"
    AMOUNT = "amount"
    EXCHANGE_RATE = "exchange_rate"
    RATE = "rate"
    PERCENT = "percent"


_DUCKDB = {
    Form.TEXT: "varchar",
    Form.ENUM: "varchar",
    Form.MONTH_DAY: "varchar",
    Form.INTEGER: "integer",
    Form.BIGINT: "bigint",
    Form.BOOLEAN: "boolean",
    Form.DATE: "date",
    Form.TIMESTAMP: "timestamp",
    Form.AMOUNT: "decimal(18, 4)",
    Form.EXCHANGE_RATE: "decimal(18, 8)",
    Form.RATE: "decimal(6, 3)",
    Form.PERCENT: "decimal(7, 4)",
}
_POLARS: dict[Form, pl.DataType] = {
    Form.TEXT: pl.String(),
    Form.ENUM: pl.String(),
    Form.MONTH_DAY: pl.String(),
    Form.INTEGER: pl.Int32(),
    Form.BIGINT: pl.Int64(),
    Form.BOOLEAN: pl.Boolean(),
    Form.DATE: pl.Date(),
    Form.TIMESTAMP: pl.Datetime("us"),
    Form.AMOUNT: pl.Decimal(18, 4),
    Form.EXCHANGE_RATE: pl.Decimal(18, 8),
    Form.RATE: pl.Decimal(6, 3),
    Form.PERCENT: pl.Decimal(7, 4),
}


@dataclass(frozen=True)
class Column:
    """One column of a model: its form, whether it must be filled, what it means, and the values of an enum."""

    name: str
    form: Form
    required: bool
    description: str
    values: tuple[str, ...] = ()

    @property
    def duckdb_type(self) -> str:
        """The type as DuckDB writes it."""
        return _DUCKDB[self.form]

    @property
    def polars_type(self) -> pl.DataType:
        """The type as polars has it."""
        return _POLARS[self.form]


class Table(pa.DataFrameModel):
    """The base of every model: `class Expenses(Table, key=("report", "version", "expense"))`."""

    class Config:
        strict = True
        coerce = False

    def __init_subclass__(cls, key: tuple[str, ...] = (), **kwargs: Any) -> None:
        _KEYS[cls] = key
        super().__init_subclass__(**kwargs)  # type: ignore[no-untyped-call]


def key(model: type[Table]) -> tuple[str, ...]:
    """The columns that name a row of the table, in the order in which tables are sorted."""
    return _KEYS[model]


def field(
    description: str,
    *,
    required: bool = True,
    values: type[StrEnum] | None = None,
    form: Form | None = None,
    **checks: Any,
) -> Any:
    """A column: what it means, whether it must be filled, the values it may take, and pandera's checks."""
    if values is not None:
        checks["isin"] = [str(value) for value in values]
    metadata = {"form": form, "values": tuple(str(value) for value in values) if values is not None else ()}
    return pa.Field(description=description, nullable=not required, metadata=metadata, **checks)


@cache
def columns(model: type[Table]) -> list[Column]:
    """The columns of a model, in their order; those that a pattern stands for (`axis_<axis>`) left out."""
    found = []
    for name, column in model.to_schema().columns.items():
        if column.regex:
            continue
        about = column.metadata or {}
        form = about.get("form") or (Form.ENUM if about.get("values") else _form(column.dtype.type))
        found.append(Column(name, form, not column.nullable, column.description or "", about.get("values", ())))
    return found


def _form(dtype: Any) -> Form:
    for form in (Form.AMOUNT, Form.EXCHANGE_RATE, Form.RATE, Form.PERCENT):
        if dtype == _POLARS[form]:
            return form
    simple = {
        pl.String: Form.TEXT,
        pl.Int32: Form.INTEGER,
        pl.Int64: Form.BIGINT,
        pl.Boolean: Form.BOOLEAN,
        pl.Date: Form.DATE,
    }
    for kind, form in simple.items():
        if dtype == kind:
            return form
    if isinstance(dtype, pl.Datetime) or dtype == pl.Datetime:
        return Form.TIMESTAMP
    message = f"no form for {dtype}"
    raise TypeError(message)


def empty(model: type[Table]) -> pl.DataFrame:
    """A frame of the model without rows."""
    return pl.DataFrame(schema={column.name: column.polars_type for column in columns(model)})


def validate(frame: pl.DataFrame, model: type[Table]) -> pl.DataFrame:
    """Holds a frame to its model: names, types, nulls, ranges and the table's own checks; returns it unchanged.

    Raises: InvariantError naming the table, and for each column and check what failed and the first values.
    """
    try:
        model.validate(frame, lazy=True)
    except SchemaErrors as errors:
        said: dict[str, list[str]] = {}
        for case in errors.failure_cases.rows(named=True):
            said.setdefault(f"{case['column'] or 'table'}: {case['check']}", []).append(str(case["failure_case"]))
        raise InvariantError(
            "; ".join(f"{what}, as {', '.join(examples[:3])}" for what, examples in said.items()),
            where=f"table {model.__name__}",
            mend="this is a fault of lettrage: please report it",
        ) from None
    return frame
