"""What a day costs on a ledger of years, and what compaction brings: `python -m benchmarks.day --lines 30000000`.

A day is 20,000 new expenses, 200 reports that were posted and paid long ago and are changed now, and an order for every
legal entity that pays by orders. The same batch is given, as a user gives it (the whole command), to an empty ledger
and to one of so many lines, whose runs are months of the sample company; both are put back before each round. What is
written is counted file by file. With --days the ledger is made of so many small runs, and readers are measured before
and after `lettrage compact`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from benchmarks.harness import Cost, in_turn, measure
from pipeline.ledger.reading import ledger_session
from pipeline.ledger.store import Store
from pipeline.run import run as run_batch
from pipeline.sample import write_sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LETTRAGE = [sys.executable, "-m", "pipeline.cli"]
#: entry lines of the sample at scale 1, all three batches; those of a year of the history are at most so many
_LINES_AT_ONE = 15_200
_LINES_A_YEAR = 10_000_000
_DAY_EXPENSES = 20_000
_CHANGED_REPORTS = 200
_ORDERS_EVERY = 20
_ON = "2026-12-31"
_IBAN = "FR7630006000011234567890189"
_POSTED, _QUARANTINED = 0, 3
_OF_A_REPORT = ("expense_reports", "expenses", "expense_taxes", "allocations")
_IDS = ("report", "advance", "payment_order")
_PAID_BY_ORDERS = ("BE01", "FR01", "FR02", "JP01", "TN01")


def main() -> None:
    """Measures, and prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=30_000_000, help="entry lines of the ledger, about")
    parser.add_argument("--days", type=int, default=0, help="instead: so many small runs, before and after compaction")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, default=None, help="a directory to keep the ledgers in")
    given = parser.parse_args()
    work = (given.work or Path(tempfile.mkdtemp(prefix="bench-"))).resolve()
    try:
        report = compaction(work, given.days, given.rounds) if given.days else day(work, given.lines, given.rounds)
        print(json.dumps(report, indent=2))  # noqa: T201 - its result
    finally:
        if given.work is None:
            shutil.rmtree(work)


def day(work: Path, lines: int, rounds: int) -> dict[str, Any]:
    """Measures the batch of a day on an empty ledger and on one of so many lines."""
    years = max(1, -(-lines // _LINES_A_YEAR))
    company = sample(work, max(1, round(lines / years / _LINES_AT_ONE)))
    history = work / f"history-{lines}"
    if not history.exists():
        build_history(company, years, history)
    batch = day_batch(company, work / "day")
    ledgers = {"empty": None, "large": history}
    written: dict[str, list[int]] = {name: [] for name in ledgers}

    def job(name: str, before: Path | None, _: int) -> Cost:
        store = work / f"round-{name}"
        shutil.rmtree(store, ignore_errors=True)
        if before is not None:
            # Segments are never changed in place, so the copy may share them.
            shutil.copytree(before, store, copy_function=os.link)
        known = file_states(store)
        cost = measure(
            [*LETTRAGE, "run", *places(company, batch), "--store", str(store), "--on", _ON, "--json"],
            done=(_POSTED, _QUARANTINED),
        )
        written[name].append(sum(size for file, (size, *_) in file_states(store).items() if file not in known))
        return cost

    costs = in_turn({name: partial(job, name, before) for name, before in ledgers.items()}, rounds)
    report: dict[str, Any] = {
        name: {**figures(cost), "bytes written": sorted(written[name])[rounds // 2]} for name, cost in costs.items()
    }
    report["large"]["ledger lines"] = lines_of(history)
    report["ratio"] = {
        figure: round(report["large"][figure] / report["empty"][figure], 2)
        for figure in ("seconds", "CPU seconds", "bytes written")
    }
    return report


def compaction(work: Path, days: int, rounds: int) -> dict[str, Any]:
    """Measures readers and the next run on a ledger of so many daily runs, before and after it is compacted."""
    company = sample(work, 1)
    store = work / f"days-{days}"
    if not store.exists():
        build_days(company, days, store)
    compacted = work / f"days-{days}-compacted"
    shutil.rmtree(compacted, ignore_errors=True)
    shutil.copytree(store, compacted)
    merged = measure([*LETTRAGE, "compact", "--store", str(compacted)])
    batch = small_batch(company, days, work / "small")
    out = work / "out"

    def command(ledger: Path, arguments: list[str], _: int) -> Cost:
        return measure([*LETTRAGE, *arguments, "--store", str(ledger)])

    def next_run(ledger: Path, _: int) -> Cost:
        at = work / "round"
        shutil.rmtree(at, ignore_errors=True)
        shutil.copytree(ledger, at, copy_function=os.link)
        return measure([*LETTRAGE, "run", *places(company, batch), "--store", str(at), "--on", _ON], done=(0, 3))

    jobs: dict[str, Callable[[int], Cost]] = {}
    for name, ledger in (("before", store), ("after", compacted)):
        jobs[f"status {name}"] = partial(command, ledger, ["status", "--json"])
        jobs[f"dump {name}"] = partial(command, ledger, ["dump", "--out", str(out)])
        jobs[f"check {name}"] = partial(command, ledger, ["check"])
        jobs[f"run {name}"] = partial(next_run, ledger)
    report: dict[str, Any] = {name: figures(cost) for name, cost in in_turn(jobs, rounds).items()}
    report["compact"] = figures(merged)
    report["files"] = {"before": file_count(store), "after": file_count(compacted)}
    return report


def sample(work: Path, scale: int) -> Path:
    """The sample company of a scale; the same one in every round."""
    company = work / f"company-{scale}"
    if not company.exists():
        beside = work / f"company-{scale}.writing"
        shutil.rmtree(beside, ignore_errors=True)
        write_sample(beside, seed=5, scale=scale, parquet=True)
        # The sample's wrong IBANs would keep their owners' lines open for years; somebody would have mended them.
        employees = pl.read_parquet(beside / "reference" / "employees.parquet")
        employees.with_columns(iban=pl.lit(_IBAN)).write_parquet(beside / "reference" / "employees.parquet")
        beside.rename(company)
    return company


def build_history(company: Path, years: int, history: Path) -> None:
    """Posts the company's three months once a year, under other ids; at last everything that is open is paid."""
    beside = history.with_suffix(".writing")
    shutil.rmtree(beside, ignore_errors=True)
    batch = history.with_suffix(".batch")
    for year in range(years):
        for month in (1, 2, 3):
            tables = approved(read(company / f"batch-{month}"))
            write(batch, {name: renamed(rows, f"Y{year}-") if year else rows for name, rows in tables.items()})
            post(company, batch, beside)
    # What the sample has wrong would wait for years, and be tried again by every run: it is withdrawn.
    write(batch, {"expense_reports": withdrawn(company, years, beside), "payment_orders": orders(company, "SETTLED-")})
    post(company, batch, beside)
    shutil.rmtree(batch)
    measure([*LETTRAGE, "compact", "--store", str(beside)])
    beside.rename(history)


def approved(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The same with every declared report approved: what is old has been paid, and does not lie open for years."""
    status = pl.col("status").replace("declared", "approved")
    return {**tables, "expense_reports": tables["expense_reports"].with_columns(status)}


def withdrawn(company: Path, years: int, store: Path) -> pl.DataFrame:
    """The reports that wait in quarantine, as drafts of a higher version."""
    with ledger_session(Store.open(store)) as session:
        waiting = session.query("select distinct document as report from quarantine where resolved_run is null")
    reports = pl.concat([read(company / f"batch-{month}")["expense_reports"] for month in (1, 2, 3)])
    reports = reports.sort("version").group_by("report", maintain_order=True).last().select(reports.columns)
    named = pl.concat([renamed(reports, f"Y{year}-") if year else reports for year in range(years)])
    drafts = named.join(waiting, on="report", how="semi")
    return drafts.with_columns(version=pl.lit(90, pl.Int32), status=pl.lit("draft"))


def build_days(company: Path, days: int, store: Path) -> None:
    """Posts a small batch a day."""
    beside = store.with_suffix(".writing")
    shutil.rmtree(beside, ignore_errors=True)
    batch = store.with_suffix(".batch")
    for number in range(days):
        small_batch(company, number, batch)
        run_batch(company / "reference", batch, beside, on=date(2026, 1, 31) + timedelta(days=number))
    shutil.rmtree(batch)
    beside.rename(store)


def day_batch(company: Path, batch: Path) -> Path:
    """A day: new reports, old ones changed, an order an entity."""
    tables = read(company / "batch-1")
    reports = tables["expense_reports"].filter(pl.col("version") == 1, pl.col("status") == "approved")
    # What was written by hand comes again in every batch of the sample.
    reports = reports.filter(~pl.col("report").str.contains("-S")).sort("report")
    counts = tables["expenses"].filter(pl.col("version") == 1).group_by("report").len("expenses")
    counted = reports.join(counts, on="report").sort("report").with_columns(upto=pl.col("expenses").cum_sum())
    new = counted.filter(pl.col("upto") <= _DAY_EXPENSES).select(reports.columns)
    old = reports.tail(_CHANGED_REPORTS)
    made = {}
    for name in _OF_A_REPORT:
        first = tables[name].filter(pl.col("version") == 1)
        added = renamed(first.join(new, on=["report", "version"], how="semi"), "DAY-")
        changed = first.join(old, on=["report", "version"], how="semi").with_columns(version=pl.lit(9, pl.Int32))
        if name == "expense_reports":
            changed = changed.with_columns(modified_on=pl.lit(date(2026, 12, 30)))
        if name == "expenses":
            changed = changed.with_columns(gross=(pl.col("gross") + 1).cast(first.schema["gross"]))
        made[name] = pl.concat([added.select(first.columns), changed.select(first.columns)])
    write(batch, {**made, "payment_orders": orders(company, "DAY-")})
    return batch


def small_batch(company: Path, number: int, batch: Path) -> Path:
    """A small day: forty reports and three advances, every twentieth day an order an entity."""
    tables = read(company / "batch-1")
    reports = tables["expense_reports"].filter(pl.col("version") == 1).sort("report").head(40)
    made = {name: tables[name].join(reports, on=["report", "version"], how="semi") for name in _OF_A_REPORT}
    made["advances"] = tables["advances"].head(3)
    if number % _ORDERS_EVERY == _ORDERS_EVERY - 1:
        made["payment_orders"] = orders(company, "").with_columns(
            created_on=pl.lit(date(2026, 1, 31) + timedelta(days=number)),
            cutoff_on=pl.lit(date(2026, 1, 31) + timedelta(days=number)),
        )
    write(batch, {name: renamed(rows, f"N{number}-") for name, rows in made.items()})
    return batch


def orders(company: Path, prefix: str) -> pl.DataFrame:
    """An order of the last day for every entity that pays by orders."""
    known = pl.read_parquet(company / "batch-1" / "payment_orders.parquet")
    return known.filter(pl.col("legal_entity").is_in(_PAID_BY_ORDERS)).with_columns(
        (pl.lit(prefix) + pl.col("legal_entity")).alias("payment_order"),
        created_on=pl.lit(date(2026, 12, 31)),
        cutoff_on=pl.lit(date(2026, 12, 31)),
    )


def renamed(rows: pl.DataFrame, prefix: str) -> pl.DataFrame:
    """The same rows of other documents."""
    return rows.with_columns((pl.lit(prefix) + pl.col(name)).alias(name) for name in _IDS if name in rows.columns)


def read(directory: Path) -> dict[str, pl.DataFrame]:
    """The tables of a batch."""
    return {path.stem: pl.read_parquet(path) for path in sorted(directory.glob("*.parquet"))}


def write(directory: Path, tables: dict[str, pl.DataFrame]) -> None:
    """Writes a batch in place of the one before."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name, rows in tables.items():
        rows.write_parquet(directory / f"{name}.parquet")


def post(company: Path, batch: Path, store: Path) -> None:
    """Posts a batch of the history."""
    limits = ["--memory-limit", "9GB"]
    measure(
        [*LETTRAGE, "run", *places(company, batch), "--store", str(store), "--on", _ON, "--json", *limits],
        done=(_POSTED, _QUARANTINED),
    )


def places(company: Path, batch: Path) -> list[str]:
    """The arguments of a run."""
    return ["--reference", str(company / "reference"), "--batch", str(batch)]


def file_states(store: Path) -> dict[tuple[str, int, int], tuple[int]]:
    """Every file of a store, as it is now: one that is written anew is another one."""
    found = {}
    for path in files_of(store):
        state = path.stat()
        found[path.relative_to(store).as_posix(), state.st_ino, state.st_mtime_ns] = (state.st_size,)
    return found


def files_of(store: Path) -> Iterable[Path]:
    """The files of a store."""
    return (path for path in store.rglob("*") if path.is_file()) if store.exists() else ()


def file_count(store: Path) -> int:
    """How many segments a store has in force."""
    ledger = Store.open(store)
    return sum(len(ledger.segments(kind)) for kind in ledger.kinds())


def lines_of(store: Path) -> int:
    """How many entry lines a ledger has."""
    names = Store.open(store).files("entry_lines")
    return sum(pl.scan_parquet(name, hive_partitioning=False).select(pl.len()).collect().item() for name in names)


def figures(cost: Cost) -> dict[str, float]:
    """A cost as the report has it."""
    return {"seconds": round(cost.seconds, 2), "CPU seconds": round(cost.cpu, 2), "peak GB": round(cost.peak / 1e9, 2)}


if __name__ == "__main__":
    main()
