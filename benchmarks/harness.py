"""Commands measured as a user gives them: wall time, CPU time and peak memory of the whole process."""

from __future__ import annotations

import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PYTHON = sys.executable
LETTRAGE = [PYTHON, "-m", "pipeline.cli"]


@dataclass(frozen=True)
class Cost:
    """What one process took. seconds: wall time; cpu: user and system; peak: resident memory in bytes."""

    seconds: float
    cpu: float
    peak: int


@dataclass(frozen=True)
class Case:
    """What is measured: `job` is told the number of the round.

    rows: what rows per second are counted of. limit: the case of the same part that copies the same bytes. what: a
    sentence for the report.
    """

    name: str
    job: Callable[[int], Cost]
    what: str
    rows: int | None = None
    limit: str | None = None


@dataclass
class Part:
    """Some cases that take turns.

    skipped: a case that cannot be measured → why. after: what else there is to report, told the medians.
    """

    cases: list[Case]
    skipped: dict[str, str] = field(default_factory=dict)
    after: Callable[[dict[str, Cost]], dict[str, Any]] = lambda _: {}


class CommandFailedError(Exception):
    """A measured command did not end well."""


#: runs a command and prints its costs: a small process of its own, since a child's peak begins with its parent's size
_LAUNCHER = """
import os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
seconds = time.perf_counter() - start
print(os.waitstatus_to_exitcode(status), seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
"""


def measure(arguments: list[str], *, done: Iterable[int] = (0,)) -> Cost:
    """Runs a command to its end. Processes that it started and waited for count too; the peak is the largest one's.

    Raises: CommandFailedError with what it said.
    """
    launched = [PYTHON, "-I", "-S", "-c", _LAUNCHER, *arguments]
    ended = subprocess.run(launched, capture_output=True, text=True, check=False)  # noqa: S603 - our own commands
    code, seconds, cpu, peak = ended.stdout.split() or ["-1", "0", "0", "0"]
    if int(code) not in done:
        message = f"{' '.join(arguments)} ended with {code}: {ended.stderr.strip()}"
        raise CommandFailedError(message)
    return Cost(float(seconds), float(cpu), int(peak))


def median(costs: list[Cost]) -> Cost:
    """The median of each figure; the peak is the highest."""
    return Cost(
        statistics.median(cost.seconds for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        max(cost.peak for cost in costs),
    )


def total(costs: list[Cost]) -> Cost:
    """What processes took that came one after the other; the peak is the highest."""
    return Cost(sum(cost.seconds for cost in costs), sum(cost.cpu for cost in costs), max(cost.peak for cost in costs))


def measured(part: Part, rounds: int, said: Callable[[str], None], *, only: str = "") -> dict[str, Any]:
    """Runs the cases of a part in turn, round after round, so that what disturbs the machine falls on all of them.

    only: cases whose name holds one of these texts, with commas between them, and the limits of those. said: is told
    what is under way. Returns the part as the report has it; a case that fails is among the skipped ones from then on,
    with what it said.
    """
    wanted = only.split(",")
    chosen = [case for case in part.cases if any(text in case.name for text in wanted)]
    limits = {case.limit for case in chosen}
    cases = [case for case in part.cases if case in chosen or case.name in limits]
    skipped = {name: why for name, why in part.skipped.items() if any(text in name for text in wanted)}
    costs: dict[str, list[Cost]] = {case.name: [] for case in cases}
    for number in range(rounds):
        for case in cases:
            if case.name in skipped:
                continue
            said(f"round {number + 1} of {rounds}: {case.name}")
            try:
                costs[case.name].append(case.job(number))
            except CommandFailedError as error:
                skipped[case.name] = str(error)
    kept = [case for case in cases if case.name not in skipped]
    medians = {case.name: median(costs[case.name]) for case in kept}
    ratios = {
        case.name: statistics.median(
            own.cpu / theirs.cpu for own, theirs in zip(costs[case.name], costs[case.limit], strict=True)
        )
        for case in kept
        if case.limit in medians
    }
    return {
        "rounds": rounds,
        "cases": [
            {
                "name": case.name,
                "what": case.what,
                "seconds": round(medians[case.name].seconds, 3),
                "cpu": round(medians[case.name].cpu, 3),
                "cpu of each round": [round(cost.cpu, 3) for cost in costs[case.name]],
                "peak": medians[case.name].peak,
                "rows": case.rows,
                "rows per second": case.rows and round(case.rows / medians[case.name].seconds),
                "limit": case.limit,
                "times the limit": round(ratios[case.name], 2) if case.name in ratios else None,
            }
            for case in kept
        ],
        "skipped": skipped,
        **(part.after(medians) if kept else {}),
    }
