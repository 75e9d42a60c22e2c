"""A run of everything, whole and by stage, in each way that a user can have it; and reading alone."""

from __future__ import annotations

import json
import os
import shutil
import statistics
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.data import Data, as_csv
from benchmarks.harness import LETTRAGE, PYTHON, Case, Cost, Part, measure
from benchmarks.limit import copy_each, copy_together, limit
from pipeline.ledger.store import Store

#: the day on which runs are made
ON = "2026-04-01"
#: done, and done with something in quarantine
DONE = (0, 3)
_READ = """
import sys
from pathlib import Path
from pipeline.sql import Session
from pipeline.tables import read_tables
from schemas import MOVEMENTS, REFERENCE
import pyarrow as pa
with Session([Path(name) for name in sys.argv[1:]]) as session:
    for directory, models in zip(sys.argv[1:], (REFERENCE, MOVEMENTS)):
        for name, table in read_tables(Path(directory), models).tables.items():
            source = table.source
            if isinstance(source, pa.Table):
                session.register("found", source)
                source = "found"
            else:
                source = f"read_parquet('{source}')"
            session.create(name, f"select * from {source}")
"""


def post(reference: Path, batch: Path, store: Path, *options: str, on: str = ON) -> Cost:
    """Measures a run into a store."""
    given = ["--reference", str(reference), "--batch", str(batch), "--store", str(store), "--on", on, *options]
    return measure([*LETTRAGE, "run", *given, "--json"], done=DONE)


def ledger(data: Data) -> Path:
    """The ledger of the full batch, made once."""
    store = data.work / "ledger"
    if not store.exists():
        beside = store.with_suffix(".writing")
        shutil.rmtree(beside, ignore_errors=True)
        post(data.reference, data.full, beside)
        beside.rename(store)
    return store


def segments(store: Path) -> dict[str, list[Path]]:
    """The files of each kind of a ledger."""
    opened = Store.open(store)
    return {kind: [Path(name) for name in opened.files(kind)] for kind in opened.kinds()}


def linked(store: Path, copy: Path) -> Path:
    """A copy of a ledger, to be run on: segments are never changed in place, so it may share them."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(store, copy, copy_function=os.link)
    return copy


def part(data: Data) -> Part:
    """The cases of a run."""
    csv = as_csv(data)
    written = segments(ledger(data))
    work = data.work
    stages: list[dict[str, Any]] = []

    def fresh() -> Path:
        store = work / "round"
        shutil.rmtree(store, ignore_errors=True)
        return store

    def run(where: Path, options: list[str], _: int) -> Cost:
        return post(where / "reference", where / "full", fresh(), *options)

    def by_stage(_: int) -> Cost:
        out = work / "stages.json"
        given = [data.reference, data.full, fresh(), ON, out]
        cost = measure([PYTHON, "-m", "benchmarks.stages", *map(str, given)])
        stages.append(json.loads(out.read_text(encoding="utf-8")))
        return cost

    def read(where: Path, _: int) -> Cost:
        return measure([PYTHON, "-c", _READ, str(where / "reference"), str(where / "full")])

    outputs = [job for kind, paths in written.items() for job in copy_together(paths, kind)]
    csv_inputs = sorted(csv.rglob("*.csv"))
    jobs = {
        "limit: read Parquet": copy_each(data.inputs),
        "limit: read CSV": copy_each(csv_inputs, ".parquet"),
        "limit: run from Parquet": [*copy_each(data.inputs), *outputs],
        "limit: run from CSV": [*copy_each(csv_inputs, ".parquet"), *outputs],
    }
    copies = [
        Case(name, partial(lambda these, _: limit(work, these), these), "COPY of the same files")
        for name, these in jobs.items()
    ]
    rows = sum(data.rows(data.full).values())
    whole, expenses = "limit: run from Parquet", data.expenses
    cases = [
        Case("read Parquet", partial(read, work), "every table into DuckDB", rows, "limit: read Parquet"),
        Case("read CSV", partial(read, csv), "likewise, from CSV", rows, "limit: read CSV"),
        Case("run from Parquet", partial(run, work, []), "`lettrage run`, commit included", expenses, whole),
        Case("run by stage", by_stage, "the same run with a clock in it", expenses, whole),
        Case("run from CSV", partial(run, csv, []), "from CSV", expenses, "limit: run from CSV"),
        Case(
            "run --memory-limit 2GB",
            partial(run, work, ["--memory-limit", "2GB"]),
            "in little memory",
            expenses,
            whole,
        ),
        Case("run --threads 1", partial(run, work, ["--threads", "1"]), "one process, one thread", expenses, whole),
        Case("run --workers 2", partial(run, work, ["--workers", "2"]), "two of them", expenses, whole),
    ]

    def after(medians: dict[str, Cost]) -> dict[str, Any]:
        return ({"stages": _medians(stages)} if stages else {}) | _csv_against_parquet(medians)

    return Part([*copies, *cases], after=after)


def _csv_against_parquet(medians: dict[str, Cost]) -> dict[str, Any]:
    """What a run costs more where its input is CSV, with and without what reading it takes DuckDB."""
    names = ("run from CSV", "run from Parquet", "limit: read CSV", "limit: read Parquet")
    if not medians.keys() >= set(names):
        return {}
    csv, parquet, parse, scan = (medians[name].cpu for name in names)
    ratios = {
        "run from CSV / run from Parquet": f"{csv / parquet:.2f}",
        "the same without the parse (what COPY takes longer from CSV)": f"{(csv - (parse - scan)) / parquet:.2f}",
    }
    return {"tables": {"CSV against Parquet, CPU seconds": ratios}}


def _medians(rounds: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """The median of each figure of the profiled runs."""
    return {
        group: {name: statistics.median(one[group].get(name, 0.0) for one in rounds) for name in rounds[0][group]}
        for group in rounds[0]
    }
