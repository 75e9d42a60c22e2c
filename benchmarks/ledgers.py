"""What reading a ledger costs: dump, check and status; and how long the program takes to start."""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.data import count
from benchmarks.harness import LETTRAGE, PYTHON, Case, Cost, Part, measure
from benchmarks.limit import copy_each, copy_together, limit
from benchmarks.runs import ledger, segments

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.data import Data


def dumped(data: Data) -> Path:
    """The tables of the ledger, written once."""
    out = data.work / "tables"
    if not out.exists():
        beside = out.with_suffix(".writing")
        shutil.rmtree(beside, ignore_errors=True)
        measure([*LETTRAGE, "dump", "--store", str(ledger(data)), "--out", str(beside)])
        beside.rename(out)
    return out


def part(data: Data) -> Part:
    """The cases of a ledger that nobody writes to."""
    store, tables = ledger(data), dumped(data)
    out = data.work / "dump"

    def dump(_: int) -> Cost:
        shutil.rmtree(out, ignore_errors=True)
        return measure([*LETTRAGE, "dump", "--store", str(store), "--out", str(out)])

    def command(arguments: list[str], _: int) -> Cost:
        return measure([*LETTRAGE, *arguments])

    lines = sum(count(path) for path in segments(store)["entry_lines"])
    of_store = [job for kind, paths in segments(store).items() for job in copy_together(paths, kind)]
    of_tables = copy_each(sorted(tables.glob("*.parquet")))
    empty, copied, held = "limit: an empty program", "limit: dump", "limit: check"
    at = ["--store", str(store)]
    return Part(
        [
            Case(empty, lambda _: measure([PYTHON, "-c", "pass"]), "`python -c pass`"),
            Case("--help", partial(command, ["--help"]), "`lettrage --help`", limit=empty),
            Case("status", partial(command, ["status", *at]), "`lettrage status`", limit=empty),
            Case(copied, lambda _: limit(data.work, of_tables), "COPY of the tables"),
            Case("dump", dump, "every table as Parquet", lines, copied),
            Case(held, lambda _: limit(data.work, of_store), "COPY of every file of the ledger"),
            Case("check", partial(command, ["check", *at]), "digests and invariants", lines, held),
            Case("check --chain", partial(command, ["check", "--chain", *at]), "and every row's digest", lines, held),
        ]
    )
