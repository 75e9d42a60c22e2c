"""Models of rows, made of the tables' own: what a column is stands in schemas/ alone."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema, create_model

from schemas.table import Form, columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.table import Column, Table

#: an exact decimal, told as a text so that no reader makes a float of it
Exact = Annotated[
    Decimal,
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}),
]
#: what examples show, by column
EXAMPLES: dict[str, Any] = {
    "legal_entity": "FR01",
    "account": "421000",
    "auxiliary": "MOREAU",
    "employee": "E1",
    "journal_code": "NDF",
    "journal": "expense_report",
    "fiscal_year": 2026,
    "entry_number": 12,
    "line_number": 1,
    "entry_date": "2026-01-12",
    "document_kind": "expense_report",
    "document": "R1",
    "version": 1,
    "run": 3,
    "run_on": "2026-01-31",
    "row_key": "R1|1|X1",
    "rule": "no_account",
    "table_name": "expenses",
    "column_name": "expense_type",
    "value": "taxi",
    "message": "the chart of FR01 has no charge account for taxi: add a row to chart_of_accounts",
    "payment_order": "PO1",
    "iban": "FR1420041010050500013M02606",
    "currency": "EUR",
}
_KINDS: dict[Form, tuple[Any, Any]] = {
    Form.INTEGER: (int, 1),
    Form.BIGINT: (int, 1),
    Form.BOOLEAN: (bool, False),
    Form.DATE: (date, "2026-01-31"),
    Form.TIMESTAMP: (datetime, "2026-01-31T06:00:00"),
    Form.AMOUNT: (Exact, "130.0000"),
    Form.EXCHANGE_RATE: (Exact, "1.08000000"),
    Form.RATE: (Exact, "20.000"),
    Form.PERCENT: (Exact, "50.0000"),
}


class Answer(BaseModel):
    """The base of what is answered."""

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")


def row_model(name: str, table: type[Table], *, without: Iterable[str] = (), **more: Any) -> type[Answer]:
    """The model of a row of a table. without: columns that are not told; more: fields besides, as pydantic has them."""
    left_out = set(without)
    fields: dict[str, Any] = {column.name: _field(column) for column in columns(table) if column.name not in left_out}
    fields |= more
    made = create_model(name, __base__=Answer, __doc__=(table.__doc__ or "").split("\n")[0], **fields)
    return cast("type[Answer]", made)


def page_model(name: str, row: type[Answer], said: str, **more: Any) -> type[Answer]:
    """The model of a page of a list: rows, and where the next page begins."""
    fields: dict[str, Any] = {
        "rows": (list[row], Field(description=said)),  # type: ignore[valid-type]  # a model made here
        "next": (
            str | None,
            Field(description="the cursor of the next page, null on the last one", examples=[None]),
        ),
        **more,
    }
    made = create_model(name, __base__=Answer, __doc__=f"A page of {said}.", **fields)
    return cast("type[Answer]", made)


def _field(column: Column) -> tuple[Any, Any]:
    kind, example = _KINDS.get(column.form, (str, "text"))
    if column.form is Form.ENUM:
        kind, example = Literal[column.values], column.values[0]
    example = EXAMPLES.get(column.name, example)
    if column.form is Form.ENUM and example not in column.values:
        example = column.values[0]
    if column.required:
        return kind, Field(description=column.description, examples=[example])
    return kind | None, Field(description=column.description, examples=[example])
