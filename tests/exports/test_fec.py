"""The FEC that we write passes the official rules and the stricter ones, a file a fiscal year, named by its last day."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.exports.exporting import exported, written
from tests.exports.fec_checks import COLUMNS, check, check_strictly, is_conforming
from tests.support import Company, advance, allocation, expense, order, reference, report, tax


def hold(name: str, content: bytes, first: date, last: date) -> None:
    """Holds a file to every rule. One that is not the legal file is judged under a legal name."""
    path = f"{name[:9]}FEC{last:%Y%m%d}.txt" if "NONOFFICIAL" in name else name
    findings = check(path, content)
    assert is_conforming(findings), findings[:5]
    assert [found for found in findings if found.kind == "A"] == []
    assert check_strictly(path, content, starts=first, closes=last) == []


def rows_of(content: bytes) -> list[dict[str, str]]:
    """Lists the lines of a file, column by column."""
    lines = content.decode().split("\r\n")[1:-1]
    return [dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in lines]


@pytest.mark.parametrize(
    ("entity", "years"),
    [
        ("FR01", {"998172647FEC20251231.txt": (date(2025, 1, 1), date(2025, 12, 31)),
                  "998172647FEC20261231.txt": (date(2026, 1, 1), date(2026, 12, 31))}),
        ("FR02", {"998355101FEC20260131.txt": (date(2025, 2, 1), date(2026, 1, 31)),
                  "998355101FEC20270131.txt": (date(2026, 2, 1), date(2027, 1, 31))}),
    ],
)  # fmt: skip
def test_the_fec_of_the_sample_conforms(
    sample_company: Company, entity: str, years: dict[str, tuple[date, date]]
) -> None:
    said = exported(sample_company, "--format", "fec", "--entity", entity)
    files = written(sample_company)
    assert files
    assert set(files) <= set(years)
    for name, content in files.items():
        hold(name, content, *years[name])
    assert sum(len(rows_of(content)) for name, content in files.items()) == said["lines"]


@pytest.mark.parametrize("entity", ["FR01", "FR02"])
def test_the_months_of_the_sample_conform_and_are_not_called_like_the_legal_file(
    sample_company: Company, entity: str
) -> None:
    lines = 0
    for month, last in ((1, 31), (2, 28), (3, 31)):
        days = (date(2026, month, 1), date(2026, month, last))
        exported(
            sample_company,
            *("--format", "fec_import", "--entity", entity, "--from", str(days[0]), "--through", str(days[1])),
            out=f"out-{month}",
        )
        for name, content in written(sample_company, f"out-{month}").items():
            assert name.endswith("-NONOFFICIAL.txt")
            assert "FEC" not in name.removesuffix("-NONOFFICIAL.txt")
            hold(name, content, *days)
            lines += len(rows_of(content))
    assert lines > 1000


def french(**entity: str) -> dict[str, Any]:
    tables = reference()
    tables["legal_entities"][0] |= entity
    return tables


@pytest.mark.parametrize(
    ("start", "names"),
    [
        ("01-01", ["552100554FEC20251231.txt", "552100554FEC20261231.txt"]),
        ("04-01", ["552100554FEC20260331.txt"]),
        ("07-01", ["552100554FEC20260630.txt"]),
        ("02-01", ["552100554FEC20260131.txt"]),
        ("02-02", ["552100554FEC20260201.txt"]),
        ("12-31", ["552100554FEC20251230.txt", "552100554FEC20261230.txt"]),
        ("03-01", ["552100554FEC20260228.txt"]),
    ],
)
def test_a_fec_bears_the_last_day_of_its_fiscal_year(tmp_path: Path, start: str, names: list[str]) -> None:
    company = Company(tmp_path, french(fiscal_year_start=start))
    company.run(expense_reports=[report(declared_on="2025-12-15"), report("R2")], expenses=[expense(), expense("R2")])
    said = exported(company, "--format", "fec", "--entity", "FR01")
    assert [file["name"] for file in said["files"]] == names
    lines = company.table("entry_lines").filter(legal_entity="FR01")
    for name, content in written(company).items():
        last = date.fromisoformat(f"{name[12:16]}-{name[16:18]}-{name[18:20]}")
        days = lines.filter(pl.col("fiscal_year") == last.year)["entry_date"]
        assert all(last.replace(year=last.year - 1) < day <= last for day in days)
        hold(name, content, min(days), last)


def test_labels_of_every_kind_conform(tmp_path: Path) -> None:
    tables = french(closed_through="2026-01-31")
    tables["chart_of_accounts"] = [
        {**row, "label": "" if row["account"] == "625100" else row["label"]} for row in tables["chart_of_accounts"]
    ]
    company = Company(tmp_path, tables)
    labels = ["a\tb", "a|b", '"a"', "a\nb\r\nc", " ", "\u00a0x\u2028y\x85z", "\x01", "=1+1", "é€œ日本", "a;b,c"]
    reports = [report(f"R{n}", label=label) for n, label in enumerate(labels)]
    company.run(
        expense_reports=reports,
        expenses=[
            expense(f"R{n}", label=label, currency="USD", exchange_rate="0.9") for n, label in enumerate(labels)
        ],
        expense_taxes=[{**tax(), "report": "R0"}],
        allocations=[{**allocation(), "report": "R0"}],
        advances=[advance(label="|")],
        payment_orders=[order(created_on="2026-02-27", cutoff_on="2026-02-27")],
    )  # fmt: skip
    posted = company.table("entry_lines").filter(legal_entity="FR01")
    assert len(posted.filter(document_kind="expense_report")["document"].unique()) > 5
    exported(company, "--format", "fec", "--entity", "FR01")
    ((name, content),) = written(company).items()
    hold(name, content, date(2026, 1, 1), date(2026, 12, 31))
    rows = rows_of(content)
    assert len(rows) == len(posted)
    assert {row["ValidDate"] for row in rows} == {"20260402"}
    assert {row["CompteLib"] for row in rows if row["CompteNum"] == "625100"} == {"625100"}
    foreign = {(row["Montantdevise"], row["Idevise"]) for row in rows if row["CompteNum"] == "625100"}
    assert ("100,00", "USD") in foreign
    assert {row["DateLet"] for row in rows if row["EcritureLet"]} == {"20260227"}


def test_lines_of_a_closed_period_are_valid_from_its_last_day_on(tmp_path: Path) -> None:
    company = Company(tmp_path, french())
    company.run(expense_reports=[report()], expenses=[expense()])
    company.reference = french(closed_through="2026-01-31")
    company.run(expense_reports=[report("R2", declared_on="2026-01-20")], expenses=[expense("R2")])
    exported(company, "--format", "fec", "--entity", "FR01")
    ((name, content),) = written(company).items()
    valid = [(row["PieceRef"], row["EcritureDate"], row["ValidDate"]) for row in rows_of(content)]
    assert valid == [("R1", "20260112", "20260131")] * 2 + [("R2", "20260201", "20260402")] * 2
    hold(name, content, date(2026, 1, 1), date(2026, 12, 31))


def test_auxiliary_accounts_stand_on_third_party_lines_alone(tmp_path: Path) -> None:
    tables = french()
    for row in tables["chart_of_accounts"]:
        if row["role"] in ("charge", "vat"):
            row["auxiliary"] = "{employee}"
    company = Company(tmp_path, tables)
    company.run(expense_reports=[report()], expenses=[expense()], expense_taxes=[tax()])
    exported(company, "--format", "fec", "--entity", "FR01")
    (content,) = written(company).values()
    auxiliaries = {row["CompteNum"]: (row["CompAuxNum"], row["CompAuxLib"]) for row in rows_of(content)}
    assert auxiliaries == {"421000": ("MOREAU", "Ada Moreau"), "625100": ("", ""), "445660": ("", "")}


@pytest.mark.parametrize("siren", ["", "12345678", "ABCDEFGHI"])
def test_an_entity_without_siren_has_no_fec(tmp_path: Path, siren: str) -> None:
    company = Company(tmp_path, french(siren=siren))
    company.run(expense_reports=[report()], expenses=[expense()])
    said = exported(company, "--format", "fec", "--entity", "FR01", expect=1)
    assert "SIREN" in said["error"]
    assert "legal entity FR01" in said["error"]
    assert written(company) == {}


def test_a_fec_made_again_later_in_the_year_has_what_it_had_before(tmp_path: Path) -> None:
    company = Company(tmp_path, french())
    company.run(expense_reports=[report()], expenses=[expense()])
    first = exported(company, "--format", "fec", "--entity", "FR01")
    company.run(expense_reports=[report("R2")], expenses=[expense("R2")])
    second = exported(company, "--format", "fec", "--entity", "FR01", out="later")
    assert (first["entries"], second["entries"]) == (1, 2)
    again = exported(company, "--again", str(first["number"]), out="again")
    assert again["files"][0]["sha256"] == first["files"][0]["sha256"]
    assert written(company, "again") == written(company)


def test_a_code_that_journals_share_has_one_label(tmp_path: Path) -> None:
    tables = french()
    for row in tables["journals"]:
        row["code"] = "OD"
    company = Company(tmp_path, tables)
    company.run(expense_reports=[report()], expenses=[expense()], advances=[advance()], payment_orders=[order()])
    exported(company, "--format", "fec", "--entity", "FR01")
    ((name, content),) = written(company).items()
    hold(name, content, date(2026, 1, 1), date(2026, 12, 31))
    assert {(row["JournalCode"], row["JournalLib"]) for row in rows_of(content)} == {("OD", "Expense reports")}
    path = company.directory / "alone.toml"
    path.write_text('format = "fec"\nentity = "FR01"\n[filters]\ndocument_kinds = ["advance"]\n')
    exported(company, "--profile", str(path), out="alone")
    (content,) = written(company, "alone").values()
    assert {row["JournalLib"] for row in rows_of(content)} == {"Expense reports"}
