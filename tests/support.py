"""Small companies for tests: tables as text, as a person would write them, through the commands and back as rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result

from pipeline.cli import main

Tables = dict[str, list[dict[str, str]]]


def sampled(cases: Iterable[Any], every: int = 3) -> list[Any]:
    """Cases of one test that are alike: one in so many is tried by the fast suite, the others by the slow one."""
    return [
        case if number % every == 0 else pytest.param(case, marks=pytest.mark.slow) for number, case in enumerate(cases)
    ]


def rows(text: str) -> list[dict[str, str]]:
    """Rows written as an aligned table; `-` is an empty cell, `_` in a cell stands for a blank."""
    lines = [line.split() for line in text.strip().splitlines()]
    header, *cells = lines
    return [
        {
            name: "" if cell == "-" else cell.replace("_", " ") if name in _FREE_TEXT else cell
            for name, cell in zip(header, row, strict=True)
        }
        for row in cells
    ]


_FREE_TEXT = {"label", "name", "reason"}


def reference() -> Tables:
    """A company of two entities: FR01 pays by SEPA, BE01 by list; one axis of projects under clients."""
    return {
        "legal_entities": rows("""
            legal_entity name    country currency siren     fiscal_year_start closed_through payment_mode approval iban                        bic
            FR01         Alpha   FR      EUR      552100554 -                 -              sepa         none     FR7630006000011234567890189 AGRIFRPP
            BE01         Beta    BE      EUR      -         04-01             2026-01-31     list         required -                           -
            TN01         Gamma   TN      TND      -         -                 -              list         none     -                           -
            XP01         Delta   FR      EUR      -         -                 -              at_export    none     -                           -
        """),
        "journals": rows("""
            legal_entity journal            code label
            *            expense_report     NDF  Expense_reports
            *            company_paid       NDC  Company-paid
            *            payment            BQ   Payments
            *            advance            AVA  Advances
            *            advance_imputation IMP  Imputations
        """),
        "employees": rows("""
            employee name        auxiliary department iban
            E1       Ada_Moreau  MOREAU    sales      FR1420041010050500013M02606
            E2       Bo_Said     SAID      research   DE89370400440532013000
            E3       Cy_Petit    -         -          -
        """),
        "affiliations": rows("""
            employee legal_entity valid_from
            E1       FR01         2024-01-01
            E2       FR01         2024-01-01
            E2       BE01         2026-02-15
            E3       TN01         2024-01-01
        """),
        "chart_of_accounts": rows("""
            legal_entity role                 key   employee account auxiliary   label
            *            employee             *     *        421000  {auxiliary} Staff
            *            advance_one_time     *     *        425000  {employee}  Advances
            *            advance_regular      *     *        425100  {employee}  Regular
            *            company_paid         card  *        467000  {employee}  Card
            *            advance_compensation cash  *        530000  -           Cash
            *            advance_compensation bank  *        512000  -           Bank
            *            payment_compensation *     *        512000  -           Bank
            *            vat                  *     *        445660  -           VAT
            *            charge               train *        625100  -           Travel
            *            charge               hotel *        625600  -           Missions
            *            charge               meal  *        625700  -           Meals
        """),
        "vat_codes": rows("""
            vat_code rate recoverable_percent
            V20      20   100
            V10      10   100
            V0       10   0
        """),
        "bank_accounts": rows("""
            legal_entity bank_account name iban                        bic
            FR01         BNP          BNP  FR7630006000011234567890189 AGRIFRPP
            FR01         BAD          Bad  FR7630006000011234567890188 AGRIFRPP
        """),
        "payment_methods": [],
        "axes": rows("""
            axis    name    parent_axis required
            client  Client  -           false
            project Project client      false
        """),
        "sections": rows("""
            axis    section name    parent_section active_from active_to
            client  C1      One     -              -           -
            client  C2      Two     -              -           -
            project P1      First   C1             -           -
            project P2      Second  C2             -           -
            project P3      Third   -              -           2025-12-31
        """),
        "section_rights": rows("""
            axis    section employee department legal_entity
            project P2      E2       -          -
        """),
    }


def report(
    report: str = "R1", version: str = "1", *, employee: str = "E1", status: str = "declared", **cells: str
) -> dict[str, str]:
    """A row of expense_reports."""
    return {
        "report": report,
        "version": version,
        "employee": employee,
        "status": status,
        "declared_on": "2026-01-12",
        "modified_on": "",
        "label": "",
        **cells,
    }


def expense(report: str = "R1", version: str = "1", expense: str = "X1", **cells: str) -> dict[str, str]:
    """A row of expenses: a train ticket of 100.00 EUR, paid by the employee."""
    return {
        "report": report,
        "version": version,
        "expense": expense,
        "legal_entity": "",
        "incurred_on": "2026-01-10",
        "expense_type": "train",
        "payment_method": "personal",
        "currency": "EUR",
        "exchange_rate": "",
        "gross": "100.00",
        "label": "",
        **cells,
    }


def tax(expense: str = "X1", **cells: str) -> dict[str, str]:
    """A row of expense_taxes."""
    return {
        "report": "R1",
        "version": "1",
        "expense": expense,
        "vat_code": "V20",
        "taxed_gross": "",
        "vat_amount": "",
        **cells,
    }


def allocation(
    split: str = "1", percent: str = "100", axis: str = "project", section: str = "P1", **cells: str
) -> dict[str, str]:
    """A row of allocations."""
    return {
        "report": "R1",
        "version": "1",
        "expense": "X1",
        "split": split,
        "percent": percent,
        "axis": axis,
        "section": section,
        **cells,
    }


def advance(advance: str = "A1", version: str = "1", **cells: str) -> dict[str, str]:
    """A row of advances: 50.00 in cash."""
    return {
        "advance": advance,
        "version": version,
        "employee": "E1",
        "legal_entity": "FR01",
        "status": "active",
        "kind": "one_time",
        "movement": "grant",
        "occurred_on": "2026-01-05",
        "modified_on": "",
        "amount": "50.00",
        "compensation": "cash",
        "label": "",
        **cells,
    }


def order(payment_order: str = "PO1", version: str = "1", **cells: str) -> dict[str, str]:
    """A row of payment_orders."""
    return {
        "payment_order": payment_order,
        "version": version,
        "legal_entity": "FR01",
        "status": "active",
        "created_on": "2026-01-31",
        "cutoff_on": "2026-01-31",
        "modified_on": "",
        "bank_account": "",
        **cells,
    }


def write(directory: Path, tables: Tables) -> Path:
    """Writes tables as CSV files; a table without rows is left out, unless it must be there."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in tables.items():
        if not content:
            continue
        names = list(dict.fromkeys(key for row in content for key in row))
        with (directory / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(content)
    return directory


class Company:
    """A ledger in a temporary directory, fed batch by batch through the commands."""

    def __init__(self, directory: Path, tables: Tables | None = None) -> None:
        self.directory = directory
        self.store = directory / "store"
        self.reference = tables or reference()
        self.runs = 0

    def invoke(self, *arguments: str) -> Result:
        """Gives a command with this ledger as its store."""
        return CliRunner().invoke(main, [*arguments, "--store", str(self.store)])

    def run(
        self,
        *,
        on: str = "2026-03-01",
        expect: tuple[int, ...] = (0, 3),
        options: tuple[str, ...] = (),
        **batch: list[dict[str, str]],
    ) -> dict[str, Any]:
        """Runs a batch; returns what `--json` prints."""
        self.runs += 1
        home = self.directory / f"run-{self.runs}"
        write(home / "reference", self.reference)
        write(home / "batch", batch)
        result = self.invoke(
            "run",
            "--reference",
            str(home / "reference"),
            "--batch",
            str(home / "batch"),
            "--on",
            on,
            "--json",
            *options,
        )
        assert result.exit_code in expect, result.output
        self.exit_code = result.exit_code
        return json.loads(result.stdout) if result.exit_code in (0, 3) else {"error": result.stderr}

    def dump(self) -> dict[str, pl.DataFrame]:
        """Returns every table of the ledger."""
        out = self.directory / f"dump-{self.runs}"
        result = self.invoke("dump", "--out", str(out))
        assert result.exit_code == 0, result.output
        return {path.stem: pl.read_parquet(path) for path in sorted(out.glob("*.parquet"))}

    def table(self, name: str) -> pl.DataFrame:
        """Returns one table of the ledger."""
        return self.dump()[name]

    def check(self) -> None:
        """Holds the ledger to its invariants."""
        result = self.invoke("check")
        assert result.exit_code == 0, result.output
