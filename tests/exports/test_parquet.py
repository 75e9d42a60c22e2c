"""Parquet files: typed columns, row groups, the same bytes again; read by DuckDB and by Arrow."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import ExportError, FormatError
from pipeline.exports.format import load_format
from tests.exports.making import a_format, field, lines, made, stream

FIELDS = [
    {"name": '"label"', "from_": '"label"'},
    {"name": '"entry"', "from_": '"entry_number"'},
    {"name": '"day"', "from_": '"entry_date"'},
    {"name": '"amount"', "from_": '"amount"'},
    {"name": '"reversal"', "from_": '"reversal"'},
    {"name": '"due"', "from_": '"due_on"'},
    {"name": '"foreign"', "from_": '"foreign_amount"'},
    {"name": '"always"', "value": '"x"'},
    {"name": '"number in file"', "from_": '"line_in_file"'},
    {"name": '"company"', "expression": '"upper(profile)"'},
]


def parquet(*fields: dict[str, str]) -> Any:
    return a_format("".join(field(**keys) for keys in fields or FIELDS), kind='"parquet"')


def test_columns_have_types_and_nothing_is_null() -> None:
    frame = lines({"label": ""}, {"amount": "-0.1234", "foreign_amount": "7"})
    table = pq.read_table(stream(made(parquet(), frame, facts={"profile": "alpha"})))
    assert {column.name: column.type for column in table.schema} == {
        "label": pa.large_string(),
        "entry": pa.int64(),
        "day": pa.date32(),
        "amount": pa.decimal128(18, 4),
        "reversal": pa.bool_(),
        "due": pa.date32(),
        "foreign": pa.decimal128(18, 4),
        "always": pa.large_string(),
        "number in file": pa.int64(),
        "company": pa.large_string(),
    }
    first, second = (tuple(row.values()) for row in table.to_pylist())
    day = date(2026, 1, 12)
    assert first == (None, 1, day, Decimal("100.0000"), False, None, None, "x", 1, "ALPHA")
    assert second == ("Train", 1, day, Decimal("-0.1234"), False, None, Decimal("7.0000"), "x", 2, "ALPHA")


def test_batches_are_row_groups_and_the_bytes_come_again() -> None:
    batches = lines({}, {}), lines({"amount": "-200"})
    content = made(parquet(), *batches)
    assert made(parquet(), *batches) == content
    file = pq.ParquetFile(stream(content))
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [2, 1]
    assert [row["number in file"] for row in file.read().to_pylist()] == [1, 2, 3]


def test_duckdb_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "lines.parquet"
    path.write_bytes(made(load_format("parquet").with_axes(["axis_project"]), lines({}, {"amount": "-100"})))
    with duckdb.connect() as connection:
        query = "select sum(debit - credit), min(entry_date), typeof(min(debit)) from read_parquet($path)"
        found = connection.execute(query, {"path": str(path)}).fetchone()
    assert found == (Decimal(0), date(2026, 1, 12), "DECIMAL(18,4)")


def test_lines_merged_and_entries_counted() -> None:
    form = a_format(
        field(name='"debit"', from_='"debit"') + field(name='"lines"', from_='"entry_lines"'),
        kind='"parquet"',
        merge='{ charges = "account" }',
    )
    frame = lines({}, {"amount": "20"}, {"amount": "-120", "role": "employee"})
    assert pl.read_parquet(stream(made(form, frame))).rows() == [(Decimal(120), 2), (Decimal(0), 2)]


def test_a_value_that_is_wanted_names_the_row() -> None:
    form = parquet({"name": '"account"', "from_": '"account"', "required": "true"})
    with pytest.raises(ExportError, match=r"field 1 \(account\), entry NDF 2026 1, line 2 .*is empty"):
        made(form, lines({}, {"account": " "}))


def test_a_text_is_translated() -> None:
    form = parquet({"name": '"vat"', "from_": '"vat_code"', "map": '{ V20 = "A" }'})
    frame = lines({"vat_code": "V20"}, {})
    assert pl.read_parquet(stream(made(form, frame))).rows() == [("A",), (None,)]
    with pytest.raises(ExportError, match="'V5' stands on the left of no line of the map"):
        made(form, lines({"vat_code": "V5"}))


def test_one_kind_of_row() -> None:
    with pytest.raises(FormatError, match="a Parquet file has one kind of row"):
        a_format("[[record]]\nfield = [{ name = 'a', value = '1' }]", kind='"parquet"')
