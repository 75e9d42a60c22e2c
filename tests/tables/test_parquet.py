"""Parquet with native types: a cell is what a CSV file would say, or it is refused as that would be."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import InputError
from pipeline.sql import Session
from pipeline.stage.cast import staged_query
from pipeline.tables import read_tables
from schemas import MOVEMENTS
from schemas.table import columns
from tests.support import expense


def staged(directory: Path, column: str, values: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Reads expenses with `values` in a column; gives what they become, or what is malformed."""
    cells: dict[str, Any] = {name: [text or None] * len(values) for name, text in expense().items()}
    cells["expense"] = [f"X{number}" for number in range(len(values))]
    path = directory / "expenses.parquet"
    pq.write_table(
        pa.table({**{name: pa.array(texts, pa.string()) for name, texts in cells.items()}, column: values}), path
    )
    raw = read_tables(directory, MOVEMENTS).tables["expenses"]
    with Session([directory]) as session:
        relation = f"read_parquet('{raw.source}')" if isinstance(raw.source, Path) else "raw"
        if not isinstance(raw.source, Path):
            session.register("raw", raw.source)
        found = session.query(
            "select * from ("
            + staged_query(relation, columns(MOVEMENTS["expenses"]), raw.types, origin="batch")
            + ") order by expense"
        )
    return [row["malformed"][0]["value"] if row["malformed"] else row[column] for row in found.iter_rows(named=True)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([100, None], pa.int64()), [Decimal(100), None]),
        (pa.array([2**63], pa.uint64()), ["9223372036854775808"]),
        (pa.array([Decimal("1.50")], pa.decimal128(10, 2)), [Decimal("1.5")]),
        (pa.array([Decimal("1.5000000000")], pa.decimal128(38, 10)), [Decimal("1.5")]),
        (pa.array([Decimal("1.50001")], pa.decimal128(38, 5)), ["1.50001"]),
        (pa.array([Decimal("1.5")], pa.decimal256(50, 20)), [Decimal("1.5")]),
        (pa.array([Decimal(10) ** 17], pa.decimal128(18, 0)), ["100000000000000000"]),
        (pa.array([0.1, 1e6, -2.5, 3.0, None], pa.float64()), [Decimal("0.1"), 1000000, Decimal("-2.5"), 3, None]),
        (pa.array([float("nan"), 1.0]), [None, 1]),
        (pa.array([float("inf"), 0.30000000000000004]), ["inf", "0.30000000000000004"]),
        (pa.array([1e13, 1e-4, 1e-7, 1e20]), [10**13, Decimal("0.0001"), "0.0000001", "1" + "0" * 20]),
        (pa.array([0.1, 12.25], pa.float32()), [Decimal("0.1"), Decimal("12.25")]),
        (pa.array(["1.5", "", None, "1,5"], pa.large_string()), [Decimal("1.5"), None, None, "1,5"]),
        (pa.array(["1.5", "2"], pa.string_view()), [Decimal("1.5"), 2]),
        (pa.array(["1.5", "2", "1.5"]).dictionary_encode(), [Decimal("1.5"), 2, Decimal("1.5")]),
        (pa.array([1.5, 2.0]).dictionary_encode(), [Decimal("1.5"), 2]),
        (pa.array([b"1.5", b"x"], pa.binary()), [Decimal("1.5"), "x"]),
        (pa.array([True]), ["true"]),
        (pa.nulls(2), [None, None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else None,
)
def test_amounts(tmp_path: Path, values: pa.Array, expected: list[Any]) -> None:
    assert staged(tmp_path, "gross", values) == expected


DAY = date(2026, 1, 10)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([DAY, None], pa.date32()), [DAY, None]),
        (pa.array([DAY], pa.date64()), [DAY]),
        (pa.array([datetime(2026, 1, 10)], pa.timestamp("s")), [DAY]),  # noqa: DTZ001 - without a zone
        (pa.array([datetime(2026, 1, 10)], pa.timestamp("ns")), [DAY]),  # noqa: DTZ001
        (pa.array([datetime(2026, 1, 10, tzinfo=UTC)], pa.timestamp("us", tz="UTC")), [DAY]),
        (pa.array([datetime(2026, 1, 10, 12)], pa.timestamp("ms")), ["2026-01-10 12:00:00"]),  # noqa: DTZ001
        (pa.array(["2026-01-10", "10/01/2026", "2026-02-30"]), [DAY, "10/01/2026", "2026-02-30"]),
        (pa.array([20260110], pa.int32()), ["20260110"]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else None,
)
def test_days(tmp_path: Path, values: pa.Array, expected: list[Any]) -> None:
    assert staged(tmp_path, "incurred_on", values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1, 2], pa.int8()), [1, 2]),
        (pa.array([1, 2], pa.uint32()), [1, 2]),
        (pa.array([0, -1, 2**31], pa.int64()), ["0", "-1", "2147483648"]),
        (pa.array([1.0, 2.0, 1.5], pa.float64()), [1, 2, "1.5"]),
        (pa.array([Decimal(2)], pa.decimal128(5, 0)), [2]),
        (pa.array(["3", "1.0", "+1"]), [3, "1.0", "+1"]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else None,
)
def test_versions(tmp_path: Path, values: pa.Array, expected: list[Any]) -> None:
    assert staged(tmp_path, "version", values) == expected


def test_texts_of_another_type_are_what_they_say(tmp_path: Path) -> None:
    assert staged(tmp_path, "expense_type", pa.array([625100, 7], pa.int64())) == ["625100", "7"]
    assert staged(tmp_path, "label", pa.array([625100.0, None])) == ["625100", None]


def refusal(directory: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_tables(directory, MOVEMENTS)
    return str(caught.value)


def test_what_is_no_table_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "payment_exclusions.parquet"
    for content in (b"", b"PAR1", b"payment_order\nO1\n", bytes(range(256)) * 8):
        path.write_bytes(content)
        assert refusal(tmp_path).startswith(f"{path}: the file cannot be read as Parquet (")
    pl.DataFrame({"payment_order": ["O1"]}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    assert refusal(tmp_path).startswith(f"{path}: the file cannot be read as Parquet (")
    pl.DataFrame({"order": ["O1"]}).write_parquet(path)
    assert "payment_exclusions lacks the required column payment_order; it has order" in refusal(tmp_path)
    pl.DataFrame({"payment_order": [["O1"]]}).write_parquet(path)
    assert "column payment_order holds " in refusal(tmp_path)
    pq.write_table(pa.Table.from_arrays([pa.array(["O1"]), pa.array(["O2"])], ["payment_order"] * 2), path)
    assert "column payment_order stands twice" in refusal(tmp_path)
    pq.write_table(pa.table({"payment_order": pa.array([b"\xe9"], pa.binary())}), path)
    assert refusal(tmp_path).startswith(f"{path}: the file cannot be read as Parquet (")


def test_what_is_broken_inside_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "payment_exclusions.parquet"
    frame = pl.DataFrame({"payment_order": [f"O{number}" for number in range(20_000)]})
    frame.write_parquet(path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[100:3000] = bytes(2900)
    path.write_bytes(bytes(content))
    assert refusal(tmp_path).startswith(f"{path}: the file cannot be read as Parquet (")
    latin = pa.array([b"caf\xe9"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"payment_order": latin}), path)
    assert refusal(tmp_path).startswith(f"{path}: the file cannot be read as Parquet (")


def test_columns_that_are_not_known_are_said_once_and_ignored(tmp_path: Path) -> None:
    pl.DataFrame({"payment_order": ["O1"], "Payment_Order": ["X"], "mood": [[1]]}).write_parquet(
        tmp_path / "payment_exclusions.parquet"
    )
    found = read_tables(tmp_path, MOVEMENTS)
    assert found.tables["payment_exclusions"].source.to_pylist() == [{"payment_order": "O1"}]
    assert found.notes == [
        "payment_exclusions.parquet: payment_exclusions has columns that are not known and ignored: Payment_Order, mood"
    ]


def test_a_path_that_looks_like_a_pattern_is_a_path(tmp_path: Path) -> None:
    home = tmp_path / "legal_entity=BE01" / "[x]*"
    home.mkdir(parents=True)
    assert staged(home, "gross", pa.array(["1"])) == [1]
    assert staged(home, "legal_entity", pa.array([None], pa.string())) == [None]
