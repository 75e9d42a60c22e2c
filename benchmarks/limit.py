"""The limit: the same input read and the same output written by plain DuckDB `COPY`, a process of its own.

`python -m benchmarks.limit JOBS`: JOBS is a JSON file, a list of copies. Each reads some files and writes one, with
DuckDB's defaults; nothing is computed, sorted or checked. Where a command writes nothing (reading, checking), its input
is copied all the same: reading alone would let DuckDB skip what nobody asks for.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from benchmarks.harness import PYTHON, Cost, measure

if TYPE_CHECKING:
    from collections.abc import Iterable

_READERS = {".parquet": "read_parquet({files}, union_by_name = true)", ".csv": "read_csv({files}, all_varchar = true)"}
_FORMATS = {".parquet": "format parquet, compression zstd", ".csv": "format csv, header"}


def main() -> None:
    """Does the copies of a file of jobs."""
    con = duckdb.connect()
    con.execute("set preserve_insertion_order = false")
    for job in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        target = Path(job["to"])
        files = "[" + ", ".join(f"'{name}'" for name in job["read"]) + "]"
        reader = _READERS[Path(job["read"][0]).suffix].format(files=files)
        con.execute(f"copy (select * from {reader}) to '{target}' ({_FORMATS[target.suffix]})")


def copy_each(paths: Iterable[Path], suffix: str | None = None) -> list[dict[str, Any]]:
    """Jobs that copy each file to one of its own. suffix: what they are written as, else as what they are."""
    return [
        {"read": [str(path)], "to": f"{number:05}-{path.stem}{suffix or path.suffix}"}
        for number, path in enumerate(paths)
    ]


def copy_together(paths: Iterable[Path], name: str) -> list[dict[str, Any]]:
    """A job that copies files of one table into one; none where there is no file."""
    files = [str(path) for path in paths]
    return [{"read": files, "to": f"{name}{Path(files[0]).suffix}"}] if files else []


def limit(work: Path, jobs: list[dict[str, Any]]) -> Cost:
    """Measures copies; what they write goes away again."""
    out = work / "limit"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    placed = [{**job, "to": str(out / f"{number}-{job['to']}")} for number, job in enumerate(jobs)]
    listed = out / "jobs.json"
    listed.write_text(json.dumps(placed), encoding="utf-8")
    try:
        return measure([PYTHON, "-m", "benchmarks.limit", str(listed)])
    finally:
        shutil.rmtree(out)


if __name__ == "__main__":
    main()
