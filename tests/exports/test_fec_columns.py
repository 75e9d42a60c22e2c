"""The FEC of the ledger of two months: what stands in its columns, and how often it may be made."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from tests.exports.fec_checks import COLUMNS, check, check_strictly, is_conforming
from tests.support import Company, expense, report


def export(company: Company, out: Path, form: str = "fec") -> dict[str, bytes]:
    """Exports FR01; returns the files by name, the control sheet left out."""
    options = ["--format", form, "--entity", "FR01", "--on", "2026-03-02", "--out", str(out)]
    result = company.invoke("export", *options)
    assert result.exit_code == 0, result.output
    return {path.name: path.read_bytes() for path in out.glob("*.txt")}


def rows(content: bytes) -> list[dict[str, str]]:
    _, *records = content.decode().removesuffix("\r\n").split("\r\n")
    return [dict(zip(COLUMNS, record.split("\t"), strict=True)) for record in records]


def test_lettering_is_shown_with_its_day(ledger: Company, tmp_path: Path) -> None:
    (content,) = export(ledger, tmp_path).values()
    lettered = {(row["CompAuxNum"], row["EcritureLet"], row["DateLet"]) for row in rows(content) if row["EcritureLet"]}
    assert lettered == {("SAID", "AAA", "20260228")}


def test_labels_come_from_the_chart_and_auxiliaries_stand_on_third_parties_alone(
    ledger: Company, tmp_path: Path
) -> None:
    (content,) = export(ledger, tmp_path).values()
    said = {(row["CompteNum"], row["CompteLib"], row["CompAuxNum"], row["CompAuxLib"]) for row in rows(content)}
    assert said == {
        ("421000", "Staff", "MOREAU", "Ada Moreau-Łuczak"),
        ("4210E2", "Staff, Bo", "SAID", "Bo Saïd"),
        ("425000", "Advances", "E1", "Ada Moreau-Łuczak"),
        ("445660", "VAT", "", ""),
        ("467000", "Card", "E1", "Ada Moreau-Łuczak"),
        ("467900", "Card of Bo", "CARD_E2", "Card of Bo"),
        ("512000", "Bank", "", ""),
        ("530000", "Cash", "", ""),
        ("625100", "Travel", "", ""),
        ("625600", "Missions", "", ""),
        ("625700", "Meals", "", ""),
    }


def test_foreign_amounts_are_debit_positive(ledger: Company, tmp_path: Path) -> None:
    (content,) = export(ledger, tmp_path).values()
    foreign = [(row["Debit"], row["Credit"], row["Montantdevise"], row["Idevise"]) for row in rows(content)]
    assert [row for row in foreign if row[3]] == [
        ("30,41", "0,00", "33,33", "USD"),
        ("0,00", "30,41", "-33,33", "USD"),
    ]


def test_the_fec_takes_all_again_and_the_import_what_is_new(ledger: Company, tmp_path: Path) -> None:
    once, twice = export(ledger, tmp_path / "1"), export(ledger, tmp_path / "2")
    assert once == twice
    assert export(ledger, tmp_path / "3", form="fec_import")
    assert not export(ledger, tmp_path / "4", form="fec_import")


def test_two_fiscal_years_are_two_files(ledger: Company, tmp_path: Path) -> None:
    ledger.run(
        expense_reports=[report("R8", declared_on="2027-01-05")],
        expenses=[expense("R8", incurred_on="2026-12-20")],
    )
    files = export(ledger, tmp_path)
    assert sorted(files) == ["552100554FEC20261231.txt", "552100554FEC20271231.txt"]
    for name, content in files.items():
        year = int(name[12:16])
        assert is_conforming(check(name, content))
        assert check_strictly(name, content, starts=date(year, 1, 1), closes=date(year, 12, 31)) == []
