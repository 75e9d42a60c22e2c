"""The main job on the sample: three monthly batches into a ledger, and every file that a month's closing wants.

    python -m pipeline.main_job        what `make run` does

It is a user of the commands, and of nothing else.
"""

from __future__ import annotations

import calendar
import json
import shutil
import sys
import time
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import polars as pl
from click.testing import CliRunner
from rich.console import Console
from rich.table import Table

from pipeline.cli import main as lettrage
from pipeline.screen import money

DATA = Path(__file__).parent.parent / "data"
SAMPLE, STORE, OUT = DATA / "sample", DATA / "store", DATA / "out"
MONTHLY = ("csv", "fixed", "xlsx")


def command(*arguments: str, done: tuple[int, ...] = (0,)) -> str:
    """Gives a command of lettrage; returns its standard output, and ends the job where it does not end well."""
    result = CliRunner().invoke(lettrage, list(arguments))
    if result.exit_code not in done:
        click.echo(result.output, err=True)
        sys.exit(result.exit_code or 1)
    return result.stdout


def main() -> None:
    """Runs the sample from its first batch to the last file, then prints what came of it."""
    started = time.monotonic()
    screen = Console()
    for directory in (STORE, OUT):
        shutil.rmtree(directory, ignore_errors=True)
    batches = sorted(SAMPLE.glob("batch-*"))
    runs = []
    for batch in batches:
        screen.print(f"run  {batch.name}", highlight=False)
        runs.append(
            json.loads(
                command(
                    "run",
                    "--reference",
                    str(SAMPLE / "reference"),
                    "--batch",
                    str(batch),
                    "--store",
                    str(STORE),
                    "--on",
                    "2026-04-02",
                    "--json",
                    done=(0, 3),
                )
            )
        )
    files = export_months(screen, runs) + export_orders(screen, runs) + export_years(screen)
    checked = command("check", "--store", str(STORE))
    summary(screen, runs, files, checked, time.monotonic() - started)


def entities() -> list[dict[str, str]]:
    """The legal entities of the sample."""
    return pl.read_csv(SAMPLE / "reference" / "legal_entities.csv", infer_schema=False).to_dicts()


def export_months(screen: Console, runs: list[dict[str, Any]]) -> int:
    """Exports each legal entity and month in every format that it can be written in; returns how many files."""
    files = 0
    for entity in entities():
        code = entity["legal_entity"]
        for month in range(1, 1 + len(runs)):
            first = date(2026, month, 1)
            last = date(2026, month, calendar.monthrange(2026, month)[1])
            formats = (*MONTHLY, *(("fec_import",) if entity["country"] == "FR" else ()))
            for name in formats:
                out = OUT / code / first.strftime("%Y-%m")
                made = json.loads(
                    command(
                        "export",
                        "--store",
                        str(STORE),
                        "--format",
                        name,
                        "--entity",
                        code,
                        "--from",
                        str(first),
                        "--through",
                        str(last),
                        "--out",
                        str(out),
                        "--on",
                        "2026-04-02",
                        "--json",
                    )
                )
                files += len(made["files"])
        screen.print(f"export  {code}, {len(runs)} months", highlight=False)
    return files


def export_years(screen: Console) -> int:
    """Writes one FEC a French legal entity and fiscal year."""
    files = 0
    for entity in entities():
        if entity["country"] != "FR":
            continue
        month, day = (int(part) for part in (entity["fiscal_year_start"] or "01-01").split("-"))
        for year in (2025, 2026):
            first = date(year, month, day)
            last = date.fromordinal(date(year + 1, month, day).toordinal() - 1)
            made = json.loads(
                command(
                    "export",
                    "--store",
                    str(STORE),
                    "--format",
                    "fec",
                    "--entity",
                    entity["legal_entity"],
                    "--from",
                    str(first),
                    "--through",
                    str(last),
                    "--out",
                    str(OUT / entity["legal_entity"]),
                    "--on",
                    "2026-04-02",
                    "--json",
                )
            )
            files += len(made["files"])
            for file in made["files"]:
                screen.print(f"export  {file['name']}", highlight=False)
    return files


def export_orders(screen: Console, runs: list[dict[str, Any]]) -> int:
    """Writes the bank's file of each order that paid somebody."""
    orders = sorted({row["payment_order"] for run in runs for row in run["payments"]})
    for order in orders:
        command("export", "--store", str(STORE), "--order", order, "--out", str(OUT / "payments"))
    screen.print(f"export  the files of {len(orders)} payment orders", highlight=False)
    return len(orders)


def summary(screen: Console, runs: list[dict[str, Any]], files: int, checked: str, seconds: float) -> None:
    """Prints rows in and out, entries by journal, payments, quarantine and balances."""
    rows = Table(
        "run",
        "rows in",
        "retried",
        "posted",
        "unchanged",
        "superseded",
        "ignored",
        "quarantined",
        title="Rows in and out",
    )
    for run in runs:
        totals = [
            sum(table[name] for table in run["rows"])
            for name in ("rows_in", "retried", "posted", "unchanged", "superseded", "ignored", "quarantined")
        ]
        rows.add_row(str(run["run"]), *(f"{total:,}" for total in totals))
    screen.print(rows)
    seen = json.loads(command("status", "--store", str(STORE), "--json"))
    status_tables(screen, seen)
    waiting = Table("rule", "findings", "the first of them", title="In quarantine")
    for row in seen["quarantine"]:
        waiting.add_row(row["rule"], f"{row['findings']:,}", f"{row['row_key']}: {row['message']}")
    screen.print(waiting)
    screen.print(checked.strip())
    screen.print(f"{files:,} files under {OUT.relative_to(DATA.parent)} in {seconds:.0f} s", highlight=False)


def status_tables(screen: Console, seen: dict[str, Any]) -> None:
    """Prints entries by journal, payments and balances as `lettrage status` has them."""
    entries = Table("legal entity", "journal code", "fiscal year", "entries", title="Entries by journal")
    for row in seen["series"]:
        entries.add_row(row["legal_entity"], row["journal_code"], str(row["fiscal_year"]), f"{row['entries']:,}")
    screen.print(entries)
    payments = Table("order", "status", "payments", "amount", title="Payments")
    for row in seen["payments"]:
        payments.add_row(row["payment_order"], row["status"], f"{row['payments']:,}", money(Decimal(row["amount"])))
    screen.print(payments)
    balances = Table("legal entity", "debit", "credit", "agree", "owed to employees", "advances", title="Balances")
    for row in seen["balances"]:
        balances.add_row(
            row["legal_entity"],
            money(Decimal(row["debit"])),
            money(Decimal(row["credit"])),
            "yes" if row["debit"] == row["credit"] else "NO",
            money(Decimal(row["owed"])),
            money(Decimal(row["advances"])),
        )
    screen.print(balances)


if __name__ == "__main__":
    main()
