"""Measures everything on generated data of a size, one report: `python -m benchmarks --size 1000000`.

Each part is a set of cases that take turns. What was measured is in the report as soon as its part is done.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import compaction, day, exports, ledgers, report, runs
from benchmarks import data as generated
from benchmarks.harness import measured

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.data import Data
    from benchmarks.harness import Part

#: part → what makes its cases
PARTS: dict[str, Callable[[Data], Part]] = {
    "run": runs.part,
    "ledger": ledgers.part,
    "exports": exports.part,
    "day": day.part,
    "compaction": compaction.part,
}
#: from this size on three rounds do
_LARGE = 10_000_000


def main() -> None:
    """Measures, and writes the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--size", type=int, default=100_000, help="expenses of the full batch, about")
    parser.add_argument("--rounds", type=int, default=None, help="default: 5; 3 from 10 million on")
    parser.add_argument("--work", type=Path, default=None, help="a directory to keep data and ledgers in")
    parser.add_argument("--parts", type=_parts, default=list(PARTS), help=f"of {','.join(PARTS)}")
    parser.add_argument("--days", type=int, default=compaction.DAYS, help="runs of the ledger that is compacted")
    parser.add_argument("--only", default="", help="only cases with one of these texts in their name, and their limits")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="where the report goes")
    parser.add_argument("--prepare", action="store_true", help="make the data in --work, measure nothing")
    given = parser.parse_args()
    work = (given.work or Path(tempfile.mkdtemp(prefix="bench-"))).resolve()
    try:
        data = generated.make(work, given.size)
        if given.prepare:
            generated.as_csv(data)
            return
        rounds = given.rounds or (3 if given.size >= _LARGE else 5)
        about = {"size": given.size, **facts(data)}
        for name in given.parts:
            say(f"part {name}")
            made = compaction.part(data, given.days) if name == "compaction" else PARTS[name](data)
            found = measured(made, rounds, say, only=given.only)
            if found["cases"]:
                say(f"{name}: in {report.keep(given.results, str(given.size), about, name, found)}")
    finally:
        if given.work is None:
            shutil.rmtree(work)


def _parts(text: str) -> list[str]:
    """Parts as they are given: names with commas between."""
    names = text.split(",")
    if unknown := set(names) - PARTS.keys():
        message = f"no part of the benchmarks: {', '.join(sorted(unknown))}"
        raise argparse.ArgumentTypeError(message)
    return names


def facts(data: Data) -> dict[str, Any]:
    """What the report says of the data."""
    written = runs.segments(runs.ledger(data))
    return {
        **data.rows(data.full),
        "employees": generated.count(data.reference / "employees.parquet"),
        "entry lines out": sum(generated.count(path) for path in written["entry_lines"]),
        "bytes in": sum(path.stat().st_size for path in data.inputs),
        "bytes out": sum(path.stat().st_size for paths in written.values() for path in paths),
    }


def say(what: str) -> None:
    """Tells a person how far it is."""
    print(what, file=sys.stderr, flush=True)  # noqa: T201 - progress


if __name__ == "__main__":
    main()
