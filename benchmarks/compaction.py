"""What compaction costs and brings, on a ledger of many small runs: readers and the next run, before and after.

A day has forty reports and three advances; every twentieth one an order an entity. The size of the other parts' data
does not matter here: what costs is the number of files.
"""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from benchmarks.day import OF_A_REPORT, orders, renamed, write
from benchmarks.harness import LETTRAGE, Case, Cost, Part, measure
from benchmarks.limit import copy_together, limit
from benchmarks.runs import linked, post, segments
from pipeline.run import run as run_batch

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.data import Data

DAYS = 40
_FIRST = date(2026, 1, 31)
_REPORTS = 40
_ORDERS_EVERY = 20


def part(data: Data, days: int = DAYS) -> Part:
    """The cases of a ledger of so many days."""
    store = built(data, days)
    compacted = data.work / f"days-{days}-compacted"
    _compacted(store, compacted)
    batch = small_batch(data, days, data.work / "small")
    out = data.work / "dump"

    def command(at: Path, arguments: list[str], _: int) -> Cost:
        return measure([*LETTRAGE, *arguments, "--store", str(at)])

    def next_run(at: Path, _: int) -> Cost:
        return post(data.reference, batch, linked(at, data.work / "round"), on="2026-12-31")

    jobs = [job for kind, paths in segments(store).items() for job in copy_together(paths, kind)]
    whole = "limit: compact"
    cases = [
        Case(whole, lambda _: limit(data.work, jobs), "COPY of each kind's files into one"),
        Case("compact", lambda _: _compacted(store, data.work / "round"), "`lettrage compact`", limit=whole),
    ]
    for name, at in (("before", store), ("after", compacted)):
        cases += [
            Case(f"status, {name}", partial(command, at, ["status", "--json"]), "`lettrage status`"),
            Case(f"dump, {name}", partial(command, at, ["dump", "--out", str(out)]), "every table", limit=whole),
            Case(f"check, {name}", partial(command, at, ["check"]), "digests and invariants", limit=whole),
            Case(f"the next run, {name}", partial(next_run, at), "of 40 reports"),
        ]
    facts: dict[str, Any] = {
        "runs": days,
        "files before": sum(len(paths) for paths in segments(store).values()),
        "files after": sum(len(paths) for paths in segments(compacted).values()),
    }
    return Part(cases, after=lambda _: {"tables": {"Compaction": facts}})


def built(data: Data, days: int) -> Path:
    """A ledger of a small batch a day, made once."""
    store = data.work / f"days-{days}"
    if not store.exists():
        beside, batch = store.with_suffix(".writing"), store.with_suffix(".batch")
        shutil.rmtree(beside, ignore_errors=True)
        for number in range(days):
            small_batch(data, number, batch)
            run_batch(data.reference, batch, beside, on=_FIRST + timedelta(days=number))
        shutil.rmtree(batch)
        beside.rename(store)
    return store


def _compacted(store: Path, at: Path) -> Cost:
    return measure([*LETTRAGE, "compact", "--store", str(linked(store, at))])


def small_batch(data: Data, number: int, batch: Path) -> Path:
    """The batch of a small day."""
    tables = {name: pl.scan_parquet(data.full / f"{name}.parquet") for name in (*OF_A_REPORT, "advances")}
    reports = tables["expense_reports"].filter(pl.col("version") == 1).sort("report").head(_REPORTS).collect()
    these = reports.lazy().select("report", "version")
    made = {name: tables[name].join(these, on=["report", "version"], how="semi").collect() for name in OF_A_REPORT}
    made["advances"] = tables["advances"].head(3).collect()
    if number % _ORDERS_EVERY == _ORDERS_EVERY - 1:
        made["payment_orders"] = orders(data.full, "", _FIRST + timedelta(days=number))
    write(batch, {name: renamed(rows, f"N{number}-") for name, rows in made.items()})
    return batch
