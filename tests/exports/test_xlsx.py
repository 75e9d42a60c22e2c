"""Workbooks: typed cells, no formulas, the same bytes again; read by openpyxl, and by LibreOffice where it is there."""

from __future__ import annotations

import csv
import subprocess
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from pipeline.errors import ExportError, FormatError
from pipeline.exports import write_workbook, write_xlsx
from pipeline.exports.format import LoadedFormat, load_format
from tests.exports.making import a_format, field, lines, made, stream

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


RECORDS = """
[[record]]
name = "head"
per  = "file"
field = [
    { name = "company", expression = "entity_name", column = "B" },
    { name = "lines",   from = "file_lines" },
    { name = "debit",   from = "file_debit", column = "F" },
]

[[record]]
per = "file"
row = []

[[record]]
name = "names"
per  = "file"
row  = ["Kind", "Account", "Amount", "Day"]

[[record]]
name = "entry"
per  = "entry"
field = [
    { name = "kind", value = "E" },
    { name = "day",  from = "entry_date", column = "D" },
    { name = "number", from = "entry_number", column = "C" },
]

[[record]]
name = "line"
field = [
    { name = "kind", value = "L" },
    { name = "account", from = "account", required = true },
    { name = "amount", from = "amount" },
]

[[record]]
name = "vat"
when = "role = 'vat'"
sheet = "VAT & more"
field = [
    { name = "label", from = "label", column = "C", length = 4, overflow = "cut", width = 30 },
    { name = "code", from = "vat_code", column = "A", map = { V20 = "1" } },
]

[[record]]
name = "section"
per  = "section"
when = "section_amount <> 0"
field = [
    { name = "kind", value = "S" },
    { name = "section", from = "section" },
    { name = "percent", from = "section_percent", number_format = "0.00" },
]

[[record]]
per   = "entry"
place = "end"
text  = "'end of ' & document"

[[record]]
per   = "file"
place = "end"
row   = ["=END()"]
"""


def sheet_values(content: bytes, sheet: str = "Entries") -> list[tuple[object, ...]]:
    rows = workbook(content)[sheet].iter_rows(values_only=True)
    return [tuple(row[: max((n for n, cell in enumerate(row, 1) if cell is not None), default=0)]) for row in rows]


def several_records(**keys: str) -> LoadedFormat:
    return a_format(RECORDS, kind='"xlsx"', totals_sheet="false", **keys)


def entries() -> pl.DataFrame:
    return lines(
        {"axis_project": "P1"},
        {"role": "vat", "account": "445660", "amount": "20", "vat_code": "V20", "label": "Train & so on"},
        {"role": "employee", "account": "421000", "amount": "-120"},
        {"entry_number": 2, "document": "R2", "amount": "7"},
    )


def test_records_stand_in_their_order_on_their_sheets() -> None:
    content = made(several_records(), entries())
    day = datetime(2026, 1, 12)  # noqa: DTZ001
    assert workbook(content).sheetnames == ["Entries", "VAT & more"]
    assert sheet_values(content) == [
        (None, "Alpha", 4, None, None, 127),
        (),
        ("Kind", "Account", "Amount", "Day"),
        ("E", None, 1, day),
        ("L", "625100", 100),
        ("S", "P1", 100),
        ("L", "445660", 20),
        ("L", "421000", -120),
        ("end of R1",),
        ("E", None, 2, day),
        ("L", "625100", 7),
        ("end of R2",),
        ("=END()",),
    ]
    assert sheet_values(content, "VAT & more") == [("1", None, "Trai")]
    sheet = workbook(content)["Entries"]
    assert sheet.freeze_panes == "A4"
    assert [cell.font.bold for cell in sheet[3]][:4] == [True] * 4
    assert sheet["A13"].data_type == "s"
    assert sheet["C6"].number_format == "0.00"
    assert workbook(content)["VAT & more"].column_dimensions["C"].width == 30


def test_batches_do_not_show() -> None:
    once = made(several_records(), entries())
    assert made(several_records(), entries()[:2], entries()[2:]) == once
    plain = load_format("xlsx")
    assert made(plain, entries()[:1], entries()[1:]) == made(plain, entries())


def test_lines_merged_and_counted_before_they_are_written() -> None:
    content = made(several_records(merge='{ charges = "account", vat = "account" }'), entries())
    assert sheet_values(content)[0] == (None, "Alpha", 4, None, None, 127)


def test_a_value_that_is_wanted_names_the_row() -> None:
    with pytest.raises(ExportError, match=r"record line, field 2 \(account\), entry NDF 2026 1, line 2 .*is empty"):
        made(several_records(), lines({}, {"account": ""}))


def test_a_text_that_is_too_long_names_the_row() -> None:
    form = a_format(field(name='"label"', from_='"label"', length="3"), kind='"xlsx"')
    with pytest.raises(ExportError, match=r"'Train' has 5 characters, the field 3"):
        made(form, lines({}))


def test_two_fields_in_a_column() -> None:
    twice = field(name='"a"', value='"1"', column='"B"') + field(name='"b"', value='"2"', column='"B"')
    with pytest.raises(FormatError, match=r"field 2 \(b\).*column B has a field already"):
        made(a_format(twice, kind='"xlsx"'), lines({}))


def test_codes_of_characters_in_texts_are_texts() -> None:
    content = made(a_format(field(name='"label"', from_='"label"'), kind='"xlsx"'), lines({"label": "a_x0041_x0042_"}))
    with zipfile.ZipFile(stream(content)) as packed:
        assert b"<t>a_x005F_x0041_x005F_x0042_</t>" in packed.read("xl/sharedStrings.xml")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"sheet": '"a/b"'}, "no sheet can be called 'a/b'"),
        ({"sheet": '"Totals"'}, "write totals_sheet = false"),
    ],
)
def test_sheets_that_cannot_be(keys: dict[str, str], said: str) -> None:
    record = "\n[[record]]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
    with pytest.raises(FormatError, match=said):
        a_format(record + 'field = [{ name = "a", value = "1" }]', kind='"xlsx"')


def test_a_workbook_has_all_lines() -> None:
    with pytest.raises(FormatError, match="max_lines says nothing in a format of kind xlsx"):
        a_format(field(name='"a"', value='"1"'), kind='"xlsx"', max_lines="5")


def test_entries_are_written_whole_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    once = made(several_records(), entries())
    monkeypatch.setattr(write_workbook, "_SLICE", 2)
    assert made(several_records(), entries()) == once
