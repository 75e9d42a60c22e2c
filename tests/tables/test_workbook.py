"""XLSX: a workbook with a sheet a table, its cells as a CSV file would have them."""

from __future__ import annotations

import zipfile
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from pipeline.errors import InputError
from pipeline.tables import Tables, read_tables
from schemas import MOVEMENTS
from tests.support import Company, expense, report, write
from tests.tables.writing import as_workbook


def save(path: Path, **sheets: list[list[Any]]) -> Path:
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append(row)
    workbook.save(path)
    return path


def read(directory: Path, **sheets: list[list[Any]]) -> Tables:
    save(directory / "batch.xlsx", **sheets)
    return read_tables(directory, MOVEMENTS)


def cells(found: Tables, table: str = "payment_exclusions") -> list[tuple[str | None, ...]]:
    return [tuple(row.values()) for row in found.tables[table].source.to_pylist()]


def test_cells_are_what_a_csv_file_would_say(tmp_path: Path) -> None:
    values: list[tuple[Any, str | None]] = [
        ("text", "text"),
        (" 007", " 007"),
        (7, "7"),
        (7.0, "7"),
        (100.1, "100.1"),
        (0.00001, "0.00001"),
        (1e15, "1000000000000000"),
        (-0.5, "-0.5"),
        (True, "true"),
        (False, "false"),
        (date(2026, 1, 10), "2026-01-10"),
        (datetime(2026, 1, 10), "2026-01-10"),  # noqa: DTZ001 - a sheet knows no zones
        (datetime(2026, 1, 10, 8, 30), "2026-01-10 08:30:00"),  # noqa: DTZ001
        (time(8, 30), "08:30:00"),
        ("é…漢😀", "é…漢😀"),
        ("two\nlines", "two\nlines"),
    ]
    rows = [["payment_order", "report"], *(["O", value] for value, _ in values)]
    assert cells(read(tmp_path, payment_exclusions=rows)) == [("O", said) for _, said in values]


def test_empty_rows_and_what_stands_beside_a_table_are_left_out(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        payment_exclusions=[
            ["payment_order", None, "report", "mood", None],
            ["O1", "beside", "R1"],
            [],
            [None, None, None, None],
            ["O2", None, None, "good", None, "further right"],
            ["O3"],
        ],
        Notes=[["Made by hand"]],
    )
    assert cells(found) == [("O1", "R1"), ("O2", None), ("O3", None)]
    assert found.notes == [
        "batch.xlsx sheet Notes: there is no table Notes; it is ignored",
        "batch.xlsx: payment_exclusions has columns that are not known and ignored: one without a name, mood, one without a name",
    ]


def test_a_header_alone_is_an_empty_table(tmp_path: Path) -> None:
    assert cells(read(tmp_path, payment_exclusions=[["payment_order", "report"]])) == []


def test_dimensions_that_are_not_true_hide_no_row(tmp_path: Path) -> None:
    path = save(tmp_path / "a.xlsx", payment_exclusions=[["payment_order", "report"], ["O1", "R1"], ["O2", "R2"]])
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    assert b'<dimension ref="A1:B3"' in members[sheet]
    members[sheet] = members[sheet].replace(b'<dimension ref="A1:B3"', b'<dimension ref="A1"')
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert cells(read_tables(tmp_path, MOVEMENTS)) == [("O1", "R1"), ("O2", "R2")]


def refusal(directory: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_tables(directory, MOVEMENTS)
    return str(caught.value)


def test_what_is_no_table_names_file_and_sheet(tmp_path: Path) -> None:
    path = tmp_path / "batch.xlsx"
    for content in (b"", b"payment_order,report\n", b"PK\3\4" + bytes(range(256)), b"\xd0\xcf\x11\xe0" * 100):
        path.write_bytes(content)
        assert refusal(tmp_path).startswith(f"{path}: the file cannot be read as XLSX (")
    save(path, payment_exclusions=[["order"], ["O1"]])
    assert refusal(tmp_path).startswith(
        f"{path} sheet payment_exclusions line 1: table payment_exclusions lacks the required column payment_order"
    )
    save(path, payment_exclusions=[["payment_order", "report", "report"]])
    assert "sheet payment_exclusions line 1: column report stands twice" in refusal(tmp_path)
    save(path, payment_exclusions=[])
    assert "it has none" in refusal(tmp_path)


def test_a_workbook_cut_or_broken_inside_names_the_file(tmp_path: Path) -> None:
    path = save(tmp_path / "batch.xlsx", payment_exclusions=[["payment_order"], ["O1"]])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert refusal(tmp_path).startswith(f"{path}: the file cannot be read as XLSX (")
    for broken in (b"<worksheet><sheetData><row r='x'><c r='", b"", b"\xff\xfe"):
        with zipfile.ZipFile(save(path, payment_exclusions=[["payment_order"], ["O1"]])) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, broken if "sheet1" in name else content)
        assert refusal(tmp_path).startswith(f"{path}: the file cannot be read as XLSX ("), broken


def test_what_unfolds_without_measure_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "batch.xlsx", payment_exclusions=[["payment_order"]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/big.xml", b" " * 50_000_000)
    assert f"{path}: its part xl/big.xml unfolds to 50,000,000 bytes" in refusal(tmp_path)


def test_a_sheet_and_a_file_of_one_table_are_an_error(tmp_path: Path) -> None:
    save(tmp_path / "batch.xlsx", payment_exclusions=[["payment_order"]])
    (tmp_path / "payment_exclusions.csv").write_text("payment_order\n")
    assert "table payment_exclusions also stands in " in refusal(tmp_path)


def test_a_formula_without_a_value_is_a_missing_value(tmp_path: Path) -> None:
    company = Company(tmp_path)
    write(tmp_path / "csv", {"expense_reports": [report()], "expenses": [expense(gross="=50+50")]})
    as_workbook(tmp_path / "csv", tmp_path / "batch")
    write(tmp_path / "reference", company.reference)
    result = company.invoke("run", "--reference", str(tmp_path / "reference"), "--batch", str(tmp_path / "batch"))
    assert result.exit_code == 3, result.output
    (finding,) = company.table("quarantine").rows(named=True)
    assert (finding["rule"], finding["column_name"]) == ("missing_value", "gross")
