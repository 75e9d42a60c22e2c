"""The packages of Business Central: the worked example of the XML one, and a workbook of the customer's that is filled."""

from __future__ import annotations

import gzip
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
from lxml import etree

from pipeline.exports.format import load_format
from tests.exports.exporting import exported, profile
from tests.exports.making import stream
from tests.exports.scenarios import international
from tests.exports.test_template import a_package, unpacked
from tests.support import Company

PERIOD = ("--entity", "FR01", "--from", "2026-03-01", "--through", "2026-03-31")
LABELS = """
[labels]
expense_report = "if role = 'vat' then 'VAT 20%' else if third_party then employee_name else label"
"""
EXAMPLE = """<?xml version="1.0" encoding="UTF-8"?>
<DataList MinCountforAsyncImport="5" LanguageID="1033" ProductVersion="" PackageName="Expenses" Code="NDF-IMPORT">
  <GenJournalLineList>
    <TableID>81</TableID>
    <GenJournalLine>
      <JournalTemplateName PrimaryKey="1" ValidateField="1" ProcessingOrder="1">GENERAL</JournalTemplateName>
      <JournalBatchName PrimaryKey="1" ValidateField="1" ProcessingOrder="2">NDF</JournalBatchName>
      <LineNo PrimaryKey="1" ValidateField="1" ProcessingOrder="3">10000</LineNo>
      <PostingDate ValidateField="1" ProcessingOrder="4">2026-03-31</PostingDate>
      <DocumentNo ValidateField="1" ProcessingOrder="5">NDF-2026-0042</DocumentNo>
      <AccountType ValidateField="1" ProcessingOrder="6">0</AccountType>
      <AccountNo ValidateField="1" ProcessingOrder="7">625700</AccountNo>
      <Description ValidateField="1" ProcessingOrder="8">Meal with client</Description>
      <Amount ValidateField="1" ProcessingOrder="9">100</Amount>
      <ShortcutDimension1Code ValidateField="1" ProcessingOrder="10">SALES</ShortcutDimension1Code>
      <ExternalDocumentNo ValidateField="1" ProcessingOrder="11">NDF-2026-0042</ExternalDocumentNo>
    </GenJournalLine>
    <GenJournalLine>
      <JournalTemplateName>GENERAL</JournalTemplateName><JournalBatchName>NDF</JournalBatchName><LineNo>20000</LineNo>
      <PostingDate>2026-03-31</PostingDate><DocumentNo>NDF-2026-0042</DocumentNo><AccountType>0</AccountType><AccountNo>445660</AccountNo>
      <Description>VAT 20%</Description><Amount>20</Amount><ShortcutDimension1Code></ShortcutDimension1Code><ExternalDocumentNo>NDF-2026-0042</ExternalDocumentNo>
    </GenJournalLine>
    <GenJournalLine>
      <JournalTemplateName>GENERAL</JournalTemplateName><JournalBatchName>NDF</JournalBatchName><LineNo>30000</LineNo>
      <PostingDate>2026-03-31</PostingDate><DocumentNo>NDF-2026-0042</DocumentNo><AccountType>6</AccountType><AccountNo>E0042</AccountNo>
      <Description>Dupont Jeanne</Description><Amount>-120</Amount><ShortcutDimension1Code></ShortcutDimension1Code><ExternalDocumentNo>NDF-2026-0042</ExternalDocumentNo>
    </GenJournalLine>
  </GenJournalLineList>
</DataList>
"""


def elements(content: bytes) -> list[tuple[str, dict[str, str], str | Decimal]]:
    """The elements of a document in their order, whatever blanks are between them, amounts as numbers."""
    return [
        (
            str(element.tag),
            {str(name): str(value) for name, value in element.attrib.items()},
            Decimal(element.text or "0") if element.tag == "Amount" else (element.text or "").strip(),
        )
        for element in etree.fromstring(content).iter()
    ]


def package(company: Company, settings: str) -> bytes:
    """Exports a package of the example; returns what is packed in it."""
    text = f'format = "business_central_rapidstart"\n[settings]\n{settings}\n{LABELS}'
    exported(company, "--profile", str(profile(company, text)), *PERIOD)
    (path,) = (company.directory / "out").glob("*.rapidstart")
    return gzip.decompress(path.read_bytes())


def test_the_example_of_a_package_has_its_elements(tmp_path: Path) -> None:
    made = package(international(tmp_path), "dimension_2 = false\nblank_vat = false")
    assert elements(made) == elements(EXAMPLE.encode())


def test_a_package_may_be_utf_16_and_says_so(tmp_path: Path) -> None:
    made = package(international(tmp_path), 'encoding = "utf-16"\ndimension_2 = false\nblank_vat = false')
    assert made[:2] == b"\xff\xfe"
    assert elements(made) == elements(EXAMPLE.encode())


def test_the_workbook_of_a_customer_is_filled_below_its_heading(tmp_path: Path) -> None:
    company = international(tmp_path)
    (names,) = (
        [field.name for field in made.record.field]
        for made in load_format("business_central_xlsx").records
        if made.record.per == "line"
    )
    template = a_package(names=names)
    (company.directory / "package.xlsx").write_bytes(template)
    keys = 'format = "business_central_xlsx"\ntemplate = "package.xlsx"\n[settings]\nheading = false\n'
    exported(company, "--profile", str(profile(company, keys + LABELS)), *PERIOD)
    (path,) = (company.directory / "out").glob("*.xlsx")
    before, after = unpacked(template), unpacked(path.read_bytes())
    assert after["xl/xmlMaps.xml"] == before["xl/xmlMaps.xml"]
    assert b'ref="A3:L6"' in after["xl/tables/table1.xml"]
    rows = list(openpyxl.load_workbook(stream(path.read_bytes()))["Gen. Journal Line"].values)
    assert rows[2] == tuple(names)
    day, document = datetime(2026, 3, 31), "NDF-2026-0042"  # noqa: DTZ001
    assert [tuple("" if cell is None else cell for cell in row) for row in rows[3:]] == [
        (
            "GENERAL",
            "NDF",
            10000,
            "G/L Account",
            "625700",
            day,
            "",
            document,
            "Meal with client",
            100,
            "SALES",
            document,
        ),
        ("GENERAL", "NDF", 20000, "G/L Account", "445660", day, "", document, "VAT 20%", 20, "", document),
        ("GENERAL", "NDF", 30000, "Employee", "E0042", day, "", document, "Dupont Jeanne", -120, "", document),
    ]
