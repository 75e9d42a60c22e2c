"""LibreOffice opens what we write, and sees numbers as numbers and texts as texts."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from tests.exports.exporting import exported, written
from tests.support import Company, expense, report

LABELS = ["=1+1", "+33", "-5", "@x", "007", "1e3", "2026-01-01", "é€日本", 'a "b"; c']


def as_csv(soffice: str, path: Path, home: Path) -> list[dict[str, str]]:
    """Has LibreOffice write the first sheet as CSV, formulas as what they come to."""
    command = [soffice, f"-env:UserInstallation=file://{home}", "--headless", "--convert-to"]
    # Comma, quote, UTF-8, from the first row on.
    command += ["csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false", "--outdir", str(path.parent / "csv")]
    subprocess.run([*command, str(path)], check=True, capture_output=True, timeout=120)
    text = (path.parent / "csv" / f"{path.stem}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_libreoffice_reads_the_workbook(company: Company, tmp_path: Path, program: Callable[[str], str]) -> None:
    soffice = program("soffice")
    company.run(
        expense_reports=[report(f"R{n}", label=label) for n, label in enumerate(LABELS)],
        expenses=[expense(f"R{n}", label=label, gross="1234.50") for n, label in enumerate(LABELS)],
    )
    exported(company, "--format", "xlsx", "--entity", "FR01")
    ((name, _),) = written(company).items()
    seen = as_csv(soffice, company.directory / "out" / name, tmp_path / "home")
    assert [row["Label"] for row in seen if row["Line"] == "2"] == LABELS
    assert {(row["Line"], Decimal(row["Debit"]), Decimal(row["Credit"])) for row in seen} == {
        ("1", Decimal(0), Decimal("1234.5")),
        ("2", Decimal("1234.5"), Decimal(0)),
    }
    assert {row["Date"] for row in seen} == {"2026-01-12"}
