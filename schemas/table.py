"""What a table model is: a key and a form for each column, so that all else can be made from it.

Casts, empty tables, the data dictionary and the checks of what a stage returns are all made from the models; nothing
else in the project says what columns a table has. What checks frames is pandera's, made of a model when one is first
held to it: to load pandera costs what all of `lettrage status` may, and that holds no frame to anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, get_type_hints

from pipeline.errors import InvariantError
from schemas.terms import Amount, BigInt, ExchangeRate, Instant, Integer, Percent, Rate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandera.polars as pa
    import polars as pl

    #: what a table as a whole is held to: pandera's data in, a column of booleans out
    Check: TypeAlias = Callable[[pa.PolarsData], pl.LazyFrame]

_KEYS: dict[type, tuple[str, ...]] = {}
_CHECKS: dict[type, tuple[Check, ...]] = {}
# What was made of the models.
_COLUMNS: dict[type, list[Column]] = {}
_SCHEMAS: dict[type, pa.DataFrameSchema] = {}


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
#: what an annotation of a model says
_FORMS: dict[Any, Form] = {
    str: Form.TEXT,
    bool: Form.BOOLEAN,
    Integer: Form.INTEGER,
    BigInt: Form.BIGINT,
    date: Form.DATE,
    Instant: Form.TIMESTAMP,
    Amount: Form.AMOUNT,
    ExchangeRate: Form.EXCHANGE_RATE,
    Rate: Form.RATE,
    Percent: Form.PERCENT,
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
        return _polars_types()[self.form]


@dataclass(frozen=True)
class _Field:
    """What `field` was told."""

    description: str
    required: bool
    values: tuple[str, ...]
    form: Form | None
    pattern: str | None
    checks: Mapping[str, Any]


class Table:
    """The base of every model: `class Expenses(Table, key=("report", "version", "expense"))`.

    checks: what its rows are held to beside what each column says.
    """

    def __init_subclass__(cls, key: tuple[str, ...] = (), checks: tuple[Check, ...] = (), **kwargs: Any) -> None:
        _KEYS[cls], _CHECKS[cls] = key, checks
        super().__init_subclass__(**kwargs)

    @classmethod
    def to_schema(cls) -> pa.DataFrameSchema:
        """The model as pandera has it."""
        found = _SCHEMAS.get(cls)
        if found is None:
            found = _SCHEMAS[cls] = _schema(cls)
        return found


def key(model: type[Table]) -> tuple[str, ...]:
    """The columns that name a row of the table, in the order in which tables are sorted."""
    return _KEYS[model]


def field(
    description: str,
    *,
    required: bool = True,
    values: type[StrEnum] | None = None,
    form: Form | None = None,
    pattern: str | None = None,
    **checks: Any,
) -> Any:
    """A column: what it means, whether it must be filled, the values it may take, and pandera's checks.

    pattern: of the names of the columns that this one stands for (`axis_<axis>`), there being any number of them.
    """
    allowed = () if values is None else tuple(str(value) for value in values)
    return _Field(description, required, allowed, form, pattern, checks)


def columns(model: type[Table]) -> list[Column]:
    """The columns of a model, in their order; those that a pattern stands for (`axis_<axis>`) left out."""
    found = _COLUMNS.get(model)
    if found is None:
        types = _types(model)
        found = _COLUMNS[model] = [
            Column(
                name,
                said.form or (Form.ENUM if said.values else _FORMS[types[name]]),
                said.required,
                said.description,
                said.values,
            )
            for name, said in _fields(model).items()
            if said.pattern is None
        ]
    return found


def empty(model: type[Table]) -> pl.DataFrame:
    """A frame of the model without rows."""
    import polars as pl  # noqa: PLC0415 - as in _polars_types

    return pl.DataFrame(schema={column.name: column.polars_type for column in columns(model)})


def validate(frame: pl.DataFrame, model: type[Table]) -> pl.DataFrame:
    """Holds a frame to its model: names, types, nulls, ranges and the table's own checks; returns it unchanged.

    Raises: InvariantError naming the table, and for each column and check what failed and the first values.
    """
    from pandera.errors import SchemaErrors  # noqa: PLC0415 - as in _schema

    schema = model.to_schema()
    try:
        if not _holds(frame, schema):
            schema.validate(frame, lazy=True)
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


def _holds(frame: pl.DataFrame, schema: pa.DataFrameSchema) -> bool:
    """Whether a frame is sure to be as its schema says: pandera's own checks, each of which is made once.

    To validate looks at each column several times, to be able to say what is wrong with it. Most frames are right;
    where this is not sure of one, validating is what decides.
    """
    import polars as pl  # noqa: PLC0415 - as in _polars_types

    rows = frame.lazy()
    verdicts: list[pl.LazyFrame] = []
    known: set[str] = set()
    for pattern, column in schema.columns.items():
        names = frame.select(pl.col(pattern)).columns if column.regex else [pattern]
        for name in names:
            is_typed = name in frame.schema and column.dtype.type == frame.schema[name]
            if not is_typed or column.unique or (frame[name].null_count() and not column.nullable):
                return False
            verdicts += [check(rows, name).check_passed for check in column.checks]
        known.update(names)
    if len(known) != frame.width or schema.unique:
        return False
    verdicts += [check(rows).check_passed for check in schema.checks]
    return all(verdict.item() for verdict in pl.collect_all(verdicts))


@cache
def _polars_types() -> dict[Form, pl.DataType]:
    import polars as pl  # noqa: PLC0415 - a command that reads no frame does without

    return {
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


def _types(model: type[Table]) -> dict[str, Any]:
    return get_type_hints(model, include_extras=True)


def _fields(model: type[Table]) -> dict[str, _Field]:
    """What a model and those that it is based on say of columns, by name, in their order."""
    return {name: getattr(model, name) for name in _types(model)}


def _schema(model: type[Table]) -> pa.DataFrameSchema:
    """What pandera makes of a model."""
    import pandera.polars as pa  # noqa: PLC0415 - slow to load, and most commands hold no frame to a model
    import polars as pl  # noqa: PLC0415 - as in _polars_types

    forms = {column.name: column.polars_type for column in columns(model)}

    def column(name: str, said: _Field) -> pa.Column:
        asked = {**said.checks, **({"isin": list(said.values)} if said.values else {})}
        return pa.Column(
            forms.get(name, pl.String()),
            [getattr(pa.Check, check)(value) for check, value in asked.items()],
            name=said.pattern or name,
            nullable=not said.required,
            regex=said.pattern is not None,
            required=said.pattern is None,
            description=said.description,
            metadata={"form": said.form, "values": said.values},
        )

    made = [column(name, said) for name, said in _fields(model).items()]
    return pa.DataFrameSchema(
        {one.name: one for one in made},
        [pa.Check(check, name=check.__name__, description=check.__doc__) for check in _CHECKS[model]],
        strict=True,
        name=model.__name__,
    )
