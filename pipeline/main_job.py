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
from typing import TYPE_CHECKING, Any

import click
import polars as pl
from click.testing import CliRunner
from rich.progress import track
from rich.table import Table

from pipeline.cli import main as lettrage
from pipeline.console import wide_console
from pipeline.screen import money

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

DATA = Path(__file__).parent.parent / "data"
SAMPLE, STORE, OUT = DATA / "sample", DATA / "store", DATA / "out"
MONTHLY = ("csv", "fixed", "xlsx")
#: the sample is of the first months of this year; its files say that they were made on this day
YEAR, TODAY = 2026, "2026-04-02"


def command(*arguments: str, done: tuple[int, ...] = (0,)) -> str:
    """Gives a command of lettrage; returns its standard output, and ends the job where it does not end well."""
    result = CliRunner().invoke(lettrage, list(arguments))
    if result.exit_code not in done:
        click.echo(result.output, err=True)
        sys.exit(result.exit_code or 1)
    return result.stdout


def told(screen: Console, title: str, jobs: list[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Gives the jobs one by one: a progress bar on a terminal, a line for each new first word elsewhere."""
    if screen.is_terminal:
        yield from track(jobs, description=f"{title:<8}", console=screen, transient=True)
        return
    before = ""
    for job in jobs:
        if job[0] != before:
            screen.print(f"{title}  {job[0]}", highlight=False)
            before = job[0]
        yield job


def main() -> None:
    """Runs the sample from its first batch to the last file, then prints what came of it."""
    started = time.monotonic()
    screen = wide_console()
    for directory in (STORE, OUT):
        shutil.rmtree(directory, ignore_errors=True)
    store = ("--store", str(STORE))
    runs = []
    for (batch,) in told(screen, "run", [(path.name,) for path in sorted(SAMPLE.glob("batch-*"))]):
        tables = ("--reference", str(SAMPLE / "reference"), "--batch", str(SAMPLE / batch))
        # Exit code 3 says that something went to quarantine: the sample has what belongs there.
        runs.append(json.loads(command("run", *tables, *store, "--on", TODAY, "--json", done=(0, 3))))
    files = 0
    for entity, name, first, last, folder in told(screen, "export", [*months(len(runs)), *fiscal_years()]):
        period = ("--entity", entity, "--from", first, "--through", last, "--out", str(OUT / folder))
        files += len(json.loads(command("export", *store, "--format", name, *period, "--on", TODAY, "--json"))["files"])
    # An entity whose exports make its payments has had its orders only now.
    orders = sorted({row["payment_order"] for row in json.loads(command("status", *store, "--json"))["payments"]})
    for (order,) in told(screen, "order", [(order,) for order in orders]):
        command("export", *store, "--order", order, "--out", str(OUT / "payments"))
    checked = command("check", *store)
    summary(screen, runs, files + len(orders), checked, time.monotonic() - started)


def entities() -> list[dict[str, str]]:
    """The legal entities of the sample."""
    return pl.read_csv(SAMPLE / "reference" / "legal_entities.csv", infer_schema=False).to_dicts()


def months(count: int) -> list[tuple[str, ...]]:
    """The exports of each legal entity and month: entity, format, first and last day, folder."""
    found: list[tuple[str, ...]] = []
    for entity in entities():
        code = entity["legal_entity"]
        for month in range(1, 1 + count):
            first, last = date(YEAR, month, 1), date(YEAR, month, calendar.monthrange(YEAR, month)[1])
            folder = f"{code}/{first:%Y-%m}"
            formats = (*MONTHLY, "fec_import") if entity["country"] == "FR" else MONTHLY
            found += [(code, name, str(first), str(last), folder) for name in formats]
    return found


def fiscal_years() -> list[tuple[str, ...]]:
    """One FEC a French legal entity and fiscal year: entity, format, first and last day, folder."""
    found: list[tuple[str, ...]] = []
    for entity in entities():
        month, day = (int(part) for part in (entity["fiscal_year_start"] or "01-01").split("-"))
        for year in (YEAR - 1, YEAR):
            first = date(year, month, day)
            last = date.fromordinal(date(year + 1, month, day).toordinal() - 1)
            if entity["country"] == "FR":
                found.append((entity["legal_entity"], "fec", str(first), str(last), entity["legal_entity"]))
    return found


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
