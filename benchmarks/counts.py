"""Holds the counts of a change to those that are kept: `python -m benchmarks.counts`; `--accept` keeps new ones.

Counts do not depend on how busy a machine is, so that CI can fail on them: rows and statements by stage and SQL file,
bytes read and written by stage, and, where there is valgrind, the processor's instructions by command. What grew beyond
its tolerance is told by stage, file and measure. benchmarks/README.md says how to read them.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.counted import BATCHES, ENTITY, FORMATS, ON
from benchmarks.tally import READ, STATEMENTS, WRITTEN
from pipeline.sample import write_sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parent.parent
BASELINE = ROOT / "benchmarks" / "counts.json"
INSTRUCTIONS = "instructions"
#: growth of a place's counts that is none yet: a share of what was there, and what it has to be more than at least
TOLERANCE = {
    STATEMENTS: (0.05, 2),
    "rows scanned": (0.01, 1_000),
    "rows made": (0.01, 1_000),
    "bytes made": (0.01, 100_000),
    READ: (0.01, 65_536),
    WRITTEN: (0.01, 65_536),
    INSTRUCTIONS: (0.02, 0),
}
#: the same of one file, whatever the rest of its stage does
_OF_FILE = (0.05, 1_000)
#: so many times the sample's 2,020 expenses a month; instructions are counted 50 times slower than they are done
_SCALE, _SMALL = 10, 1
_SEED = 5
#: of the files that grew, so many are named for each measure of a place
_NAMED = 5
#: those that add less than such a part of the growth are not
_WORTH_NAMING = 20
_REFERENCES = re.compile(r"I +refs: +([\d,]+)")
_DONE = (0, 3)

#: what is counted: {"made with": …, "files": place → file → measure → count, "bytes", "instructions"}
Found = dict[str, Any]


@dataclass(frozen=True)
class Growth:
    """A count that grew beyond its tolerance. file: "" for a whole place."""

    place: str
    file: str
    measure: str
    before: int
    after: int

    def turned(self) -> Growth:
        """The same the other way round: a loss is a growth of what was to what is."""
        return replace(self, before=self.after, after=self.before)

    def __str__(self) -> str:
        share = f"{(self.after - self.before) / self.before:+.1%}" if self.before else "new"
        return f"{self.file or self.place}: {self.measure} {self.before:,} → {self.after:,} ({share})"


class CountsError(Exception):
    """The work whose counts are kept could not be done."""


def growths(before: Found, after: Found) -> list[Growth]:
    """What grew: each place and measure, followed by the files of it that did, the largest growth first."""
    found = []
    was, now = _by_place(before), _by_place(after)
    for place, measure in now:
        whole = Growth(place, "", measure, was.get((place, measure), 0), now[place, measure])
        grown = _files(before, after, place, measure)
        if _is_more(whole, *TOLERANCE[measure]):
            least = (whole.after - whole.before) / _WORTH_NAMING
            found += [whole, *(one for one in grown[:_NAMED] if one.after - one.before >= least)]
        elif measure != STATEMENTS and not _is_more(whole.turned(), *TOLERANCE[measure]):
            # A file may double and its stage hardly grow. Where the stage does less than before, work was moved within
            # it, and so it was where a file is new.
            found += [one for one in grown if one.before and _is_more(one, *_OF_FILE)]
    return found


def _by_place(found: Found) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = {}
    for place, files in found["files"].items():
        for measures in files.values():
            for measure, count in measures.items():
                counts[place, measure] = counts.get((place, measure), 0) + count
    for place, measures in found["bytes"].items():
        counts |= {(place, measure): count for measure, count in measures.items()}
    counts |= {(command, INSTRUCTIONS): count for command, count in found["instructions"].items()}
    return counts


def _files(before: Found, after: Found, place: str, measure: str) -> list[Growth]:
    was: Mapping[str, Mapping[str, int]] = before["files"].get(place, {})
    grown = [
        Growth(place, file, measure, was.get(file, {}).get(measure, 0), measures[measure])
        for file, measures in after["files"].get(place, {}).items()
        if measure in measures
    ]
    return sorted((one for one in grown if one.after > one.before), key=lambda one: one.before - one.after)


def _is_more(growth: Growth, share: float, least: int) -> bool:
    return growth.after - growth.before > max(least, growth.before * share)


def lessened(before: Found, after: Found) -> list[Growth]:
    """The places of which there is so much less than is kept that they could grow unseen."""
    was, now = _by_place(before), _by_place(after)
    whole = [Growth(place, "", measure, count, now.get((place, measure), 0)) for (place, measure), count in was.items()]
    return [one for one in whole if _is_more(one.turned(), *TOLERANCE[one.measure])]


def count() -> tuple[Found, str]:
    """Does the work on a sample company; returns the counts, and why no instructions are among them ("": they are).

    Raises: CountsError.
    """
    with tempfile.TemporaryDirectory(prefix="counts-") as directory, _one_processor():
        work = Path(directory)
        large, small = work / "large", work / "small"
        write_sample(large, seed=_SEED, scale=_SCALE, parquet=True)
        write_sample(small, seed=_SEED, scale=_SMALL, parquet=True)
        _run([sys.executable, "-m", "benchmarks.counted", str(large), str(small), str(work / "counts.json")])
        found: Found = {"made with": made_with(), **json.loads((work / "counts.json").read_text(encoding="utf-8"))}
        found["instructions"] = {}
        valgrind = shutil.which("valgrind")
        if valgrind is None:
            return found, "there is no valgrind on this machine (`make system-packages` installs it)"
        # What is compiled on the way would be counted once and never again.
        for package in ("pipeline", "schemas"):
            compileall.compile_dir(ROOT / package, quiet=2)
        found["instructions"] = dict(_instructions(valgrind, small, work))
        return found, ""


def made_with() -> dict[str, str]:
    """What counts depend on beside the program: rows on the libraries, instructions on all of it."""
    about = {name: version(name) for name in ("duckdb", "polars", "pyarrow", "deltalake", "click")}
    about |= {"python": platform.python_version(), "libc": " ".join(platform.libc_ver()), "cpu": _processor()}
    valgrind = shutil.which("valgrind")
    if valgrind is not None:
        about["valgrind"] = subprocess.run(  # noqa: S603 - what the system has of this name
            [valgrind, "--version"], capture_output=True, text=True, check=False
        ).stdout
    return {name: said.strip() for name, said in about.items()}


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    told = path.read_text(encoding="utf-8") if path.exists() else ""
    found = re.search(r"^vendor_id\s*: *(.*)$", told, re.MULTILINE)
    return found[1] if found else platform.machine()


@contextmanager
def _one_processor() -> Iterator[None]:
    """Keeps what is started meanwhile on one processor: libraries then start one thread, and none waits busily."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _instructions(valgrind: str, sample: Path, work: Path) -> Iterator[tuple[str, int]]:
    """The instructions of each command, from the start of Python to its end, with what it is called."""
    store, on = ("--store", str(work / "store")), ("--on", ON.isoformat())
    tables = ("--reference", str(sample / "reference"), "--batch", str(sample / BATCHES[0]))
    # Those in which more is done than DuckDB's counts tell: start-up, and frames.
    commands = {
        "--help": ["--help"],
        "run": ["run", *tables, *store, *on, "--json"],
        "status": ["status", *store],
        "dump": ["dump", *store, "--out", str(work / "dump")],
        "check": ["check", *store],
    }
    name = FORMATS[-1]
    out = ("--out", str(work / name))
    commands[f"export {name}"] = ["export", *store, "--format", name, "--entity", ENTITY, *on, *out, "--json"]
    log = work / "valgrind.log"
    counting = [valgrind, "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", f"--log-file={log}"]
    for name, arguments in commands.items():
        _run([*counting, sys.executable, "-m", "pipeline.cli", *arguments])
        found = _REFERENCES.search(log.read_text(encoding="utf-8"))
        if found is None:
            raise CountsError(f"valgrind does not tell the instructions of {name}: {log.read_text(encoding='utf-8')}")
        yield name, int(found[1].replace(",", ""))


def _run(command: list[str]) -> None:
    """Runs a command of ours where nothing of the user's settings reaches it. Raises: CountsError with what it said."""
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0"}
    ended = subprocess.run(  # noqa: S603 - commands of our own
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if ended.returncode not in _DONE:
        raise CountsError(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stderr}")


def keep(found: Found, path: Path = BASELINE) -> None:
    """Writes counts as the baseline, a line a file, so that a diff shows what changed."""
    parts = []
    for name, said in found.items():
        if name == "files":
            places = [f'"{place}": {{\n{_lines(files, 6)}\n    }}' for place, files in said.items()]
            parts.append('"files": {\n    ' + ",\n    ".join(places) + "\n  }")
        else:
            parts.append(f'"{name}": {{\n{_lines(said, 4)}\n  }}')
    path.write_text("{\n  " + ",\n  ".join(parts) + "\n}\n", encoding="utf-8")


def _lines(entries: Mapping[str, Any], indent: int) -> str:
    return ",\n".join(f"{' ' * indent}{json.dumps(name)}: {json.dumps(said)}" for name, said in entries.items())


def report(before: Found, after: Found) -> tuple[list[str], bool]:
    """What to say of counts beside those that are kept, and whether they may stand."""
    said = []
    others = [
        f"{name} {before['made with'].get(name, 'none')} → {after['made with'].get(name, 'none')}"
        for name in {**before["made with"], **after["made with"]}
        if before["made with"].get(name) != after["made with"].get(name)
    ]
    if after["instructions"] and others:
        # Another library or processor does the same work by other instructions.
        said.append(f"instructions are not compared, the baseline was made with others: {', '.join(others)}")
        after = {**after, "instructions": {}}
    if not after["instructions"]:
        before = {**before, "instructions": {}}
    grown = growths(before, after)
    place = ""
    for one in grown:
        if one.place != place:
            said.append(f"{one.place}")
        place = one.place
        said.append(f"{'    ' if one.file else '  '}{one}")
    if grown:
        said.append(
            "More work than before. If that is what the change is for, `make counts ARGS=--accept` keeps these counts: "
            "commit benchmarks/counts.json with the reason."
        )
        if others:
            said.append(f"The baseline was made with others: {', '.join(others)}.")
        return said, False
    less = [f"  {one.place}: {one.measure} {one.before:,} → {one.after:,}" for one in lessened(before, after)]
    if less:
        said += ["Less work than before; `make counts ARGS=--accept` keeps it so:", *less]
    places = len({place for place, _ in _by_place(after)})
    return [*said, f"no count of {places} stages and commands grew beyond its tolerance"], True


def main() -> None:
    """Counts, and compares with what is kept or keeps it; ends with 1 where something grew."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.counts", description=__doc__)
    parser.add_argument("--accept", action="store_true", help="keep what is counted as the new baseline")
    given = parser.parse_args()
    try:
        found, missing = count()
    except CountsError as error:
        sys.exit(f"counts: {error}")
    if missing:
        print(f"instructions are not counted: {missing}")  # noqa: T201 - this is what a person reads
    if given.accept:
        keep(found)
        print(f"kept in {BASELINE.relative_to(ROOT)}")  # noqa: T201
        return
    said, holds = report(json.loads(BASELINE.read_text(encoding="utf-8")), found)
    print("\n".join(said))  # noqa: T201
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
