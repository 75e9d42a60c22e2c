"""Workbooks of customers that are filled: what is written, what stays, and what is refused."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from string import ascii_uppercase

import openpyxl
import pytest
from openpyxl.styles import Font
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.table import Table

from pipeline.errors import FormatError
from pipeline.exports import write_template
from pipeline.exports.format import LoadedFormat, load_format
from tests.exports.exporting import exported, profile, written
from tests.exports.making import a_format, lines, made, stream
from tests.support import Company, expense, report

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MAPS = (
    f'<MapInfo xmlns="{MAIN}" SelectionNamespaces=""><Map ID="1" Name="DataList_Map" RootElement="DataList"/></MapInfo>'
)
FIELDS = """
field = [
    { name = "Template",    value = "GENERAL" },
    { name = "Line No.",    from = "line_number", column = "C" },
    { name = "Account No.", from = "account" },
    { name = "Posting Date", from = "entry_date" },
    { name = "Description", from = "label" },
    { name = "Amount",      from = "amount" },
]
"""
HEADS = ["Template", "Batch", "Line No.", "Account No.", "Posting Date", "Description", "Amount"]
DAY = datetime(2026, 1, 12)  # noqa: DTZ001


def a_package(prefix: str = "", names: Sequence[str] = HEADS) -> bytes:
    """A configuration package of Business Central, as few parts as it has: XML maps, a table, texts in place."""
    p = f"{prefix}:" if prefix else ""
    space = f'xmlns:{prefix}="{MAIN}"' if prefix else f'xmlns="{MAIN}"'

    def cell(place: str, text: str) -> str:
        return f'<{p}c r="{place}" t="inlineStr"><{p}is><{p}t>{text}</{p}t></{p}is></{p}c>'

    heads = "".join(cell(f"{letter}3", head) for letter, head in zip(ascii_uppercase, names, strict=False))
    columns = "".join(
        f'<tableColumn id="{n}" uniqueName="{n}" name="{head}"><xmlColumnPr mapId="1" xpath="/DataList/{n}" '
        f'xmlDataType="string"/></tableColumn>'
        for n, head in enumerate(names, start=1)
    )
    last = ascii_uppercase[len(names) - 1]
    package = "http://schemas.openxmlformats.org/package/2006"
    sheet = "application/vnd.openxmlformats-officedocument.spreadsheetml"

    def relations(*targets: tuple[str, str]) -> str:
        made = "".join(
            f'<Relationship Id="R{n}" Type="{OFFICE}/{kind}" Target="{target}"/>'
            for n, (kind, target) in enumerate(targets)
        )
        return f'<Relationships xmlns="{package}/relationships">{made}</Relationships>'

    parts = {
        "[Content_Types].xml": (
            f'<Types xmlns="{package}/content-types"><Default Extension="xml" ContentType="{sheet}.sheet.main+xml"/>'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{sheet}.worksheet+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{sheet}.styles+xml"/>'
            f'<Override PartName="/xl/xmlMaps.xml" ContentType="application/xml"/>'
            f'<Override PartName="/xl/tables/table1.xml" ContentType="{sheet}.table+xml"/></Types>'
        ),
        "_rels/.rels": relations(("officeDocument", "/xl/workbook.xml")),
        "xl/workbook.xml": (
            f'<{p}workbook {space} xmlns:r="{OFFICE}"><{p}sheets><{p}sheet name="Gen. Journal Line" sheetId="1" '
            f'r:id="R0"/></{p}sheets></{p}workbook>'
        ),
        "xl/_rels/workbook.xml.rels": relations(
            ("worksheet", "/xl/worksheets/sheet1.xml"), ("styles", "styles.xml"), ("xmlMaps", "/xl/xmlMaps.xml")
        ),
        "xl/worksheets/sheet1.xml": (
            f'<{p}worksheet {space} xmlns:r="{OFFICE}"><{p}sheetData><{p}row r="1">{cell("A1", "NDF")}'
            f'{cell("B1", "Gen. Journal Line")}<{p}c r="C1"><{p}v>81</{p}v></{p}c></{p}row>'
            f'<{p}row r="3">{heads}</{p}row></{p}sheetData>'
            f'<{p}tableParts count="1"><{p}tablePart r:id="R0"/></{p}tableParts></{p}worksheet>'
        ),
        "xl/worksheets/_rels/sheet1.xml.rels": relations(("table", "/xl/tables/table1.xml")),
        "xl/tables/table1.xml": (
            f'<table xmlns="{MAIN}" id="1" name="T81" displayName="T81" ref="A3:{last}4" tableType="xml" insertRow="1">'
            f'<autoFilter ref="A3:{last}4"/><tableColumns count="{len(names)}">{columns}</tableColumns></table>'
        ),
        "xl/xmlMaps.xml": MAPS,
        "xl/styles.xml": (
            f'<styleSheet xmlns="{MAIN}"><fonts count="1"><font/></fonts><fills count="1"><fill><patternFill/></fill></fills>'
            '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
            '<cellXfs count="1"><xf numFmtId="0"/></cellXfs>'
            '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
        ),
    }
    return packed({name: content.encode() for name, content in parts.items()})


def packed(parts: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def unpacked(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(stream(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def a_workbook() -> openpyxl.Workbook:
    """A workbook of a customer: a sheet with a first row that shows how cells look, a formula, and another sheet."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Import"
    sheet["A1"] = "Our company"
    sheet.append(["Template", "check", "Line", "Account", "Day", "Label", "Amount"])
    sheet.append(["old", "=G3*2", 9, "000", None, "an old line", 5])
    sheet.append(["old", None, 9, "000", None, "an older line", 6])
    sheet["A3"].font = Font(italic=True)
    sheet["E3"].number_format = "dd/mm/yyyy"
    sheet["G3"].font = Font(color="FFFF0000")
    sheet["I9"] = "a note below"
    sheet["A9"] = "an old line far below"
    sheet.row_dimensions[3].height = 30
    sheet.column_dimensions["F"].width = 44
    choice = DataValidation(type="list", formula1='"GENERAL,OTHER"')
    choice.add("A3:A100")
    sheet.add_data_validation(choice)
    other = book.create_sheet("Notes")
    other["A1"] = "=SUM(Import!G3:G100)"
    return book


def saved(book: openpyxl.Workbook) -> bytes:
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def filling(template: bytes, **keys: str) -> LoadedFormat:
    form = a_format(FIELDS, kind='"xlsx"', template='"t.xlsx"', **{"first_row": "3", **keys})
    return replace(form, template=template)


def rows_of(content: bytes, sheet: str, first: int) -> list[tuple[object, ...]]:
    return list(openpyxl.load_workbook(stream(content))[sheet].iter_rows(min_row=first, max_col=7, values_only=True))


@pytest.mark.parametrize("prefix", ["", "x"])
def test_a_configuration_package_keeps_its_maps_and_its_table_grows(prefix: str) -> None:
    template = a_package(prefix)
    frame = lines({"label": "=1+1"}, {"amount": "20.5", "label": "a & b"}, {"amount": "-120"})
    content = made(filling(template, first_row="4"), frame)
    before, after = unpacked(template), unpacked(content)
    assert after["xl/xmlMaps.xml"] == before["xl/xmlMaps.xml"]
    assert set(after) == {*before, "xl/sharedStrings.xml"}
    table = after["xl/tables/table1.xml"].decode()
    assert table.count('ref="A3:G6"') == 2
    assert table.count("<xmlColumnPr mapId=") == len(HEADS)
    assert "insertRow" not in table
    assert rows_of(content, "Gen. Journal Line", 1) == [
        ("NDF", "Gen. Journal Line", 81, None, None, None, None),
        (None,) * 7,
        tuple(HEADS),
        ("GENERAL", None, 1, "625100", DAY, "=1+1", 100),
        ("GENERAL", None, 2, "625100", DAY, "a & b", 20.5),
        ("GENERAL", None, 3, "625100", DAY, "Train", -120),
    ]
    sheet = openpyxl.load_workbook(stream(content))["Gen. Journal Line"]
    assert sheet["F4"].data_type == "s"
    assert (sheet["E4"].number_format, sheet["G4"].number_format) == ("yyyy-mm-dd", "#,##0.00")
    assert made(filling(template, first_row="4"), frame[:1], frame[1:]) == content


def test_a_workbook_keeps_what_is_not_written() -> None:
    content = made(filling(saved(a_workbook())), lines({}, {}, {}))
    book = openpyxl.load_workbook(stream(content))
    assert book.sheetnames == ["Import", "Notes"]
    sheet = book["Import"]
    assert sheet["A1"].value == "Our company"
    assert [cell.value for cell in sheet[3]][:7] == ["GENERAL", "=G3*2", 1, "625100", DAY, "Train", 100]
    assert [cell.value for cell in sheet[5]][:7] == ["GENERAL", None, 3, "625100", DAY, "Train", 100]
    assert (sheet["I9"].value, sheet["A9"].value) == ("a note below", None)
    for row in (3, 4, 5):
        assert sheet[f"A{row}"].font.italic
        assert sheet[f"E{row}"].number_format == "dd/mm/yyyy"
        assert sheet[f"G{row}"].font.color.rgb == "FFFF0000"
    assert (sheet.row_dimensions[3].height, sheet.row_dimensions[5].height) == (30, 30)
    assert sheet.column_dimensions["F"].width == 44
    assert sheet.data_validations.dataValidation[0].formula1 == '"GENERAL,OTHER"'
    assert book["Notes"]["A1"].value == "=SUM(Import!G3:G100)"
    assert b'fullCalcOnLoad="1"' in unpacked(content)["xl/workbook.xml"]


def test_what_formulas_came_to_is_forgotten() -> None:
    parts = unpacked(saved(a_workbook()))
    for name in ("xl/worksheets/sheet1.xml", "xl/worksheets/sheet2.xml"):
        assert b"<v /></c>" in parts[name] or b"<v></v></c>" in parts[name] or b"<v/></c>" in parts[name]
        parts[name] = re.sub(rb"<v ?/>|<v></v>", b"<v>10</v>", parts[name])
    content = made(filling(packed(parts)), lines({}, {}))
    read = openpyxl.load_workbook(stream(content), data_only=True)
    assert (read["Import"]["B3"].value, read["Notes"]["A1"].value) == (None, None)


def test_fewer_lines_than_the_template_shows_leave_none_of_its_own() -> None:
    content = made(filling(saved(a_workbook())), lines({}))
    assert rows_of(content, "Import", 4)[0] == (None,) * 7


def test_records_fill_the_sheets_that_they_name() -> None:
    records = """
    [[record]]
    sheet = "Notes"
    per = "file"
    first_row = 5
    row = ["", "lines below"]

    [[record]]
    field = [{ name = "account", from = "account", column = "D" }]
    """
    form = a_format(records, kind='"xlsx"', template='"t.xlsx"', first_row="3")
    content = made(replace(form, template=saved(a_workbook())), lines({}, {}))
    book = openpyxl.load_workbook(stream(content))
    assert (book["Notes"]["B5"].value, book["Import"]["D4"].value) == ("lines below", "625100")
    assert book["Import"]["A3"].value == "old"


def test_a_chain_of_formulas_goes_with_a_formula() -> None:
    book = a_workbook()
    book["Import"]["G3"] = "=C3"
    parts = unpacked(saved(book))
    types = parts["[Content_Types].xml"].replace(
        b"</Types>",
        b'<Override PartName="/xl/calcChain.xml" ContentType="application/vnd.openxmlformats-officedocument'
        b'.spreadsheetml.calcChain+xml"/></Types>',
    )
    relations = parts["xl/_rels/workbook.xml.rels"].replace(
        b"</Relationships>",
        f'<Relationship Id="R9" Type="{OFFICE}/calcChain" Target="calcChain.xml"/></Relationships>'.encode(),
    )
    chain = f'<calcChain xmlns="{MAIN}"><c r="G3" i="1"/></calcChain>'.encode()
    parts |= {"[Content_Types].xml": types, "xl/_rels/workbook.xml.rels": relations, "xl/calcChain.xml": chain}
    after = unpacked(made(filling(packed(parts)), lines({})))
    assert "xl/calcChain.xml" not in after
    assert b"calcChain" not in after["[Content_Types].xml"] + after["xl/_rels/workbook.xml.rels"]


def a_book_with(change: Callable[[openpyxl.Workbook], None]) -> bytes:
    book = a_workbook()
    change(book)
    return saved(book)


def _with_totals(book: openpyxl.Workbook) -> None:
    table = Table(displayName="Lines", ref="A2:G4", totalsRowCount=1)
    book["Import"].add_table(table)


def _too_deep(book: openpyxl.Workbook) -> None:
    sheet = book["Import"]
    sheet.delete_rows(1, 20)
    for row in (5, 6):
        for column, head in enumerate(HEADS, start=1):
            sheet.cell(row, column, head)
    sheet.add_table(Table(displayName="Lines", ref="A5:G6"))


def with_part(name: str, content: bytes) -> bytes:
    return packed({**unpacked(saved(a_workbook())), name: content})


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (b"", "is no workbook"),
        (b"PK\x03\x04 nothing else", "is no workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an .xls, or has a password"),
        (packed({"a": b"b"}), "cannot be read as a workbook"),
        (saved(a_workbook())[:-200], "is no workbook"),
        (with_part("xl/vbaProject.bin", b"x"), "macros"),
        (with_part("_xmlsignatures/sig1.xml", b"x"), "signed"),
        (with_part("xl/workbook.xml", b"<a"), "cannot be read as a workbook"),
        (with_part("xl/workbook.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'), "declares a document type"),
        (with_part("xl/big.xml", b"0" * 5_000_000), "big.xml unfolds to 5,000,000 bytes"),
        (a_book_with(_with_totals), "row of totals"),
        (a_book_with(_too_deep), "table Lines begins in row 5, and rows are written from 3 on"),
    ],
)
def test_what_is_refused_in_a_sentence(template: bytes, said: str) -> None:
    with pytest.raises(FormatError, match=said):
        made(filling(template), lines({}))


def test_a_workbook_that_unfolds_to_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_template, "_LARGEST", 3_000)
    with pytest.raises(FormatError, match="unfolds to"):
        made(filling(saved(a_workbook())), lines({}))


def test_a_sheet_that_the_template_lacks() -> None:
    form = a_format(f'[[record]]\nsheet = "Lines"\n{FIELDS}', kind='"xlsx"', template='"t.xlsx"')
    with pytest.raises(FormatError, match="has no sheet Lines; it has Import, Notes"):
        made(replace(form, template=saved(a_workbook())), lines({}))


def test_a_template_stands_beside_its_format_or_its_profile(tmp_path: Path) -> None:
    head = 'title = "T"\nsource = "test"\nkind = "xlsx"\nfile = "\'f.xlsx\'"\n'
    (tmp_path / "ours.toml").write_text(f'{head}template = "t.xlsx"\n{FIELDS}', encoding="utf-8")
    with pytest.raises(FormatError, match=r"format ours, template: this cannot be read"):
        load_format(str(tmp_path / "ours.toml"))
    (tmp_path / "t.xlsx").write_bytes(b"bytes")
    assert load_format(str(tmp_path / "ours.toml")).template == b"bytes"


def test_an_export_is_made_again_though_the_template_has_changed(company: Company) -> None:
    company.run(expense_reports=[report()], expenses=[expense()])
    directory = company.directory
    (directory / "t.xlsx").write_bytes(saved(a_workbook()))
    (directory / "ours.toml").write_text(
        f'title = "T"\nsource = "test"\nkind = "xlsx"\nfile = "\'f.xlsx\'"\nfirst_row = 3\n{FIELDS}', encoding="utf-8"
    )
    path = profile(company, 'format = "ours.toml"\ntemplate = "t.xlsx"\n')
    exported(company, "--profile", str(path), "--entity", "FR01")
    once = written(company)
    assert rows_of(once["f.xlsx"], "Import", 3)[0][0] == "GENERAL"
    (directory / "t.xlsx").unlink()
    again = company.invoke("export", "--again", "1", "--out", str(directory / "again"))
    assert again.exit_code == 0, again.stderr
    assert written(company, "again") == once


@pytest.mark.slow
def test_libreoffice_reads_what_was_filled(program: Callable[[str], str], tmp_path: Path) -> None:
    soffice = program("soffice")
    for name, template, first in (("a", a_package("x"), "4"), ("b", saved(a_workbook()), "3")):
        book = tmp_path / f"{name}.xlsx"
        book.write_bytes(made(filling(template, first_row=first), lines({"label": "=1+1"}, {"amount": "20.5"})))
        home = f"-env:UserInstallation={(tmp_path / 'home').as_uri()}"
        how = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false,false"
        command = [soffice, home, "--headless", "--convert-to", how, "--outdir", str(tmp_path), str(book)]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        with book.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
            read = list(csv.reader(file))[int(first) - 1 :]
        assert [(row[0], row[3], row[5], row[6]) for row in read[:2]] == [
            ("GENERAL", "625100", "=1+1", "100"),
            ("GENERAL", "625100", "Train", "20.5"),
        ]
