"""Commands measured as a user gives them: wall time, CPU time and peak memory of the whole process."""

from __future__ import annotations

import statistics
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True)
class Cost:
    """What one process took. seconds: wall time; cpu: user and system; peak: resident memory in bytes."""

    seconds: float
    cpu: float
    peak: int


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
    """Runs a command to its end. Raises: CommandFailedError with what it said."""
    launched = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *arguments]
    ended = subprocess.run(launched, capture_output=True, text=True, check=False)  # noqa: S603 - our own commands
    code, seconds, cpu, peak = ended.stdout.split() or ["-1", "0", "0", "0"]
    if int(code) not in done:
        message = f"{' '.join(arguments)}: {ended.stderr}"
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


def in_turn(jobs: dict[str, Callable[[int], Cost]], rounds: int) -> dict[str, Cost]:
    """Runs jobs in turn, round after round, so that what disturbs the machine falls on all of them."""
    costs: dict[str, list[Cost]] = {name: [] for name in jobs}
    for number in range(rounds):
        for name, job in jobs.items():
            costs[name].append(job(number))
    return {name: median(those) for name, those in costs.items()}
