"""The work whose counts are kept: `python -m benchmarks.counted SAMPLE WARM-UP OUT` does it and writes them.

Two batches into an empty ledger, the first one also in parts into another, a dump, two exports, a check; all in this
process, once before with a smaller company so that what is loaded on first use is not counted. OUT is a JSON file.
"""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import date
from pathlib import Path

from benchmarks.tally import Tally
from pipeline.exports.export import export
from pipeline.exports.profile import Profile
from pipeline.ledger.check import check
from pipeline.ledger.dump import dump
from pipeline.ledger.status import status
from pipeline.ledger.store import Store
from pipeline.run import run

BATCHES = ("batch-1", "batch-2")
PARTS = 3
#: a format that adds nothing, and one with an order, rules and reshaping of its own
FORMATS = ("csv", "fec_import")
ENTITY = "FR01"
ON = date(2026, 4, 2)


def counted(sample: Path, work: Path) -> Tally:
    """Does the work on a sample company, in an empty directory; returns what it took."""
    tally = Tally()
    store = work / "store"
    with tally.watching():
        for number, batch in enumerate(BATCHES, start=1):
            tally.enter(f"run {number}")
            run(
                sample / "reference",
                sample / batch,
                store,
                on=ON,
                threads=1,
                progress=lambda stage, number=number: tally.enter(f"run {number} / {stage}"),
            )
        tally.enter("run in parts")
        run(sample / "reference", sample / BATCHES[0], work / "cut", on=ON, threads=1, parts=PARTS)
        tally.enter("status")
        status(Store.open(store))
        tally.enter("dump")
        dump(Store.open(store), work / "dump")
        for name in FORMATS:
            tally.enter(f"export {name}")
            wanted = Profile(name=name, format=name)
            out = work / name
            export(Store.open(store), profile=wanted, entity=ENTITY, first=None, last=None, on=ON, out=out)
        tally.enter("check")
        check(Store.open(store), with_chain=True)
        tally.enter("end")
    return tally


def main() -> None:
    """Does the work twice, and writes the counts of the second time."""
    sample, warm_up, out = map(Path, sys.argv[1:])
    for company in (warm_up, sample):
        with tempfile.TemporaryDirectory(prefix="counts-") as work:
            tally = counted(company, Path(work))
    out.write_text(json.dumps({"files": tally.files, "bytes": tally.bytes}), encoding="utf-8")


if __name__ == "__main__":
    main()
