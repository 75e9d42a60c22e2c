"""The same tables as text CSV, as Parquet with native types, and as a workbook with native cells."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

import schemas
from schemas.table import Form, columns

MODELS = {**schemas.REFERENCE, **schemas.MOVEMENTS}
Cells = dict[str, list[str]]

#: one type of Parquet for each form, in four tastes; a column in which a cell does not fit stays text
TASTES: dict[str, dict[Form, pa.DataType]] = {
    "text": {},
    "exact": {
        Form.AMOUNT: pa.decimal128(18, 4),
        Form.EXCHANGE_RATE: pa.decimal128(18, 8),
        Form.RATE: pa.decimal128(6, 3),
        Form.PERCENT: pa.decimal128(7, 4),
        Form.DATE: pa.date32(),
        Form.INTEGER: pa.int32(),
        Form.BOOLEAN: pa.bool_(),
    },
    "wide": {
        Form.AMOUNT: pa.decimal128(38, 10),
        Form.EXCHANGE_RATE: pa.decimal128(30, 12),
        Form.RATE: pa.decimal128(20, 6),
        Form.PERCENT: pa.decimal256(40, 6),
        Form.DATE: pa.timestamp("ns"),
        Form.INTEGER: pa.int64(),
        Form.ENUM: pa.dictionary(pa.int8(), pa.string()),
        Form.TEXT: pa.large_string(),
    },
    "frame": {
        Form.AMOUNT: pa.float64(),
        Form.EXCHANGE_RATE: pa.float64(),
        Form.RATE: pa.float64(),
        Form.PERCENT: pa.float64(),
        Form.DATE: pa.timestamp("us", tz="UTC"),
        Form.INTEGER: pa.float64(),
        Form.BOOLEAN: pa.bool_(),
        Form.TEXT: pa.dictionary(pa.int32(), pa.large_string()),
    },
}


def read_csv(path: Path) -> Cells:
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}


def _value(text: str, kind: pa.DataType) -> object:
    if pa.types.is_decimal(kind):
        return Decimal(text)
    if pa.types.is_floating(kind):
        return _float(text)
    if pa.types.is_date(kind):
        return date.fromisoformat(text)
    if pa.types.is_timestamp(kind):
        return datetime.fromisoformat(text)
    if pa.types.is_boolean(kind):
        return {"true": True, "false": False}[text]
    if pa.types.is_integer(kind):
        return int(text)
    return text


def _float(text: str) -> float:
    """A float that says the same to the last digit. Raises: ValueError where none does."""
    if Decimal(repr(float(text))) != Decimal(text):
        raise ValueError(text)
    return float(text)


def _is_well_formed(cell: str, form: Form) -> bool:
    decimals = {Form.AMOUNT: 4, Form.EXCHANGE_RATE: 8, Form.RATE: 3, Form.PERCENT: 4}[form]
    is_positive = form is not Form.PERCENT or not cell.startswith(("0", "-"))
    return len(cell.partition(".")[2].rstrip("0")) <= decimals and is_positive


def as_parquet(taste: str) -> Callable[[Path, Path], None]:
    """Gives what writes a directory of CSV files as Parquet files."""

    def convert(source: Path, target: Path) -> None:
        target.mkdir(parents=True)
        for path in source.glob("*.csv"):
            forms = {column.name: column.form for column in columns(MODELS[path.stem])}
            table = {}
            for name, cells in read_csv(path).items():
                kind = TASTES[taste].get(forms.get(name, Form.TEXT), pa.string())
                if pa.types.is_decimal(kind) and not all(_is_well_formed(cell, forms[name]) for cell in cells):
                    kind = pa.string()  # refused, and shown as it stood: a decimal would show its zeros
                try:
                    table[name] = pa.array([_value(cell, kind) if cell else None for cell in cells], kind)
                except (ValueError, ArithmeticError, KeyError, pa.ArrowException):
                    table[name] = pa.array(cells, pa.string())
            pq.write_table(pa.table(table), target / path.name.replace(".csv", ".parquet"))

    return convert


def as_workbook(source: Path, target: Path, *, native: bool = True) -> None:
    """Writes a directory of CSV files as one workbook; native: numbers, days and booleans as such."""
    target.mkdir(parents=True)
    workbook = openpyxl.Workbook(write_only=True)
    for path in source.glob("*.csv"):
        forms = {column.name: column.form for column in columns(MODELS[path.stem])}
        sheet = workbook.create_sheet(path.stem)
        table = read_csv(path)
        sheet.append(list(table))
        for row in zip(*table.values(), strict=True):
            sheet.append(
                [
                    _cell(text, forms.get(name, Form.TEXT) if native else Form.TEXT)
                    for name, text in zip(table, row, strict=True)
                ]
            )
    workbook.save(target / "everything.xlsx")


def _cell(text: str, form: Form) -> object:
    if not text:
        return None
    kinds = {Form.DATE: pa.date32(), Form.BOOLEAN: pa.bool_()}
    numbers = (Form.AMOUNT, Form.EXCHANGE_RATE, Form.RATE, Form.PERCENT, Form.INTEGER)
    try:
        if form in numbers:
            return _float(text)
        return _value(text, kinds.get(form, pa.string()))
    except (ValueError, ArithmeticError, KeyError):
        return text
