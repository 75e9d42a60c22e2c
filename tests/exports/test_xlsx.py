"""Workbooks: typed cells, no formulas, the same bytes again; read by openpyxl, and by LibreOffice where it is there."""

from __future__ import annotations

import csv
import subprocess
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest

from pipeline.errors import ExportError
from pipeline.exports import write_xlsx
from pipeline.exports.format import load_format
from tests.exports.making import lines, made, stream

TEXTS = ["=1+1", "+33 1", "-2", "@SUM(A1)", "#N/A", "00123", "1e5", "2026-01-01", "TRUE", " a ", "é日\nb"]


def workbook(content: bytes) -> openpyxl.Workbook:
    return openpyxl.load_workbook(stream(content))


def test_cells_have_types_and_formats() -> None:
    frame = lines(
        {"amount": "1234.50", "foreign_amount": "7", "foreign_currency": "JPY", "foreign_digits": 0},
        {"amount": "-0.123", "currency_digits": 3},
    )
    book = workbook(made(load_format("xlsx").with_axes(["axis_project"]), frame))
    assert book.sheetnames == ["Entries", "Totals"]
    sheet = book["Entries"]
    assert sheet.freeze_panes == "A2"
    cells = {head.value: cell for head, cell in zip(sheet[1], sheet[2], strict=True)}
    assert (cells["Date"].value, cells["Date"].number_format) == (datetime(2026, 1, 12), "yyyy-mm-dd")  # noqa: DTZ001
    assert (cells["Debit"].value, cells["Debit"].number_format) == (1234.5, "#,##0.00")
    assert (cells["Foreign amount"].value, cells["Foreign amount"].number_format) == (7, "#,##0")
    assert cells["Entry"].value == 1
    assert cells["Account"].value == "625100"
    assert cells["VAT code"].value is None
    assert sheet["A1"].font.bold
    credit = {head.value: cell for head, cell in zip(sheet[1], sheet[3], strict=True)}["Credit"]
    assert (credit.value, credit.number_format) == (0.123, "#,##0.000")


def test_no_text_becomes_a_formula_or_a_number() -> None:
    book = workbook(made(load_format("xlsx"), lines(*({"label": text} for text in TEXTS))))
    sheet = book["Entries"]
    column = [cell.value for cell in sheet[1]].index("Label")
    labels = [row[column] for row in sheet.iter_rows(min_row=2)]
    assert [cell.value for cell in labels] == TEXTS
    assert {cell.data_type for cell in labels} == {"s"}


def test_the_same_lines_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = lines({}, {"amount": "-100"})
    once = made(load_format("xlsx"), frame)
    monkeypatch.setattr("time.localtime", lambda *_: datetime(2031, 5, 5).timetuple())  # noqa: DTZ001
    assert made(load_format("xlsx"), frame) == once
    with zipfile.ZipFile(stream(once)) as packed:
        assert {member.date_time for member in packed.infolist()} == {(2000, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize(
    ("text", "said"), [("a\x0bb", "control character"), ("x" * 32_768, "more than the 32,767 characters")]
)
def test_a_text_that_no_cell_holds_names_the_entry(text: str, said: str) -> None:
    with pytest.raises(ExportError, match=rf"field 13 \(Label\), entry NDF 2026 1, line 2 .*{said}"):
        made(load_format("xlsx"), lines({}, {"label": text}))


def test_more_lines_than_a_sheet_has_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_xlsx, "_MOST_ROWS", 3)
    made(load_format("xlsx"), lines({}, {}))
    with pytest.raises(ExportError, match="a sheet has 3 rows"):
        made(load_format("xlsx"), lines({}, {}), lines({}))


@pytest.mark.slow
def test_libreoffice_reads_what_was_written(program: Callable[[str], str], tmp_path: Path) -> None:
    soffice = program("soffice")
    frame = lines(*({"label": text, "amount": "1234.5"} for text in TEXTS))
    (tmp_path / "book.xlsx").write_bytes(made(load_format("xlsx"), frame))
    subprocess.run(
        [
            soffice,
            f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}",
            "--headless",
            "--convert-to",
            "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false,false",
            "--outdir",
            str(tmp_path),
            str(tmp_path / "book.xlsx"),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    with (tmp_path / "book.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["Label"] for row in read] == TEXTS
    assert {row["Debit"] for row in read} == {"1234.5"}
    assert {row["Account"] for row in read} == {"625100"}
    assert date(2026, 1, 12).isoformat() in {row["Date"] for row in read}
