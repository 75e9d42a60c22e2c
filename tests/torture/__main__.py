"""Tortures a ledger for as long as it is told: `python -m tests.torture --seconds 60`, or `make torture SECONDS=60`.

Ends with 1 at the first thing that must never be, and leaves the state in which it was seen.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tests.torture import kills, power, rounds
from tests.torture.commands import Commands
from tests.torture.damage import random_damage
from tests.torture.trace import why_no_trace
from tests.torture.world import READERS, STORIES, Violation, World

WRITERS = ["second", "other", "third"]
_STATES = 12  # of a disk, each time

FIGURES = {
    "kills": "commands killed",
    "before": "  the ledger was the one before",
    "after": "  the ledger was the one after",
    "lost": "  lost",
    "doubled": "  doubled",
    "states": "states of a disk without power opened",
    "states before": "  the ledger was the one before",
    "states after": "  the ledger was the one after",
    "damages": "files damaged",
    "found": "  and found out",
    "rounds": "rounds of writers at once",
    "waited": "  one waited for the other",
    "refused": "  one was refused",
    "answers": "  answers of readers meanwhile, each of one ledger",
}


class Torture:
    """What is done to a ledger, each kind a method; `figures` counts."""

    def __init__(self, home: Path, world: World, chance: random.Random) -> None:
        self.home, self.world, self.chance = home, world, chance
        self.figures: Counter[str] = Counter()
        self.operations = cache(self._operations)
        self.story = cache(self._story)
        self.losses = cache(self._losses)
        self.duration = cache(self._duration)

    def kinds(self) -> list[Callable[[Path], None]]:
        """What can be done here, the kinds that find most more often."""
        always = [self.moment, self.moment, self.damages, self.writers]
        return always if why_no_trace() else [*always, self.point, self.point, self.point, self.losing_power]

    def moment(self, home: Path) -> None:
        """A kill at any moment."""
        step = self.chance.choice(list(STORIES))
        seconds = self.chance.uniform(0, self.duration(step))
        self._count(*kills.kill_at_moment(self.world, home, STORIES[step], step, seconds, self._then(step)))

    def point(self, home: Path) -> None:
        """A kill after an operation; half of them where the commit is."""
        step = self.chance.choice(list(STORIES))
        total = self.operations(step)
        count = self.chance.choice((self.chance.randrange(total), self.chance.randrange(total * 3 // 4, total + 1)))
        found = kills.kill_at_operation(self.world, home, STORIES[step], step, count, self._then(step))
        self._count(*found[:2])

    def losing_power(self, home: Path) -> None:
        """States of a disk that lost its power."""
        step = self.chance.choice(list(STORIES))
        for number, loss in enumerate(self.chance.choices(self.losses(step), k=_STATES)):
            is_in = power.suffer(self.world, home, self.story(step), loss, go_on=number == 0)
            self.figures["states"] += 1
            self.figures["states after" if is_in else "states before"] += 1

    def damages(self, home: Path) -> None:
        """A file damaged."""
        random_damage(self.world, home, ("first",), self.chance)
        self.figures["damages"] += 1
        self.figures["found"] += 1

    def writers(self, home: Path) -> None:
        """Two writers at once, now and then three, and a reader."""
        steps = [self.chance.choice(WRITERS) for _ in range(self.chance.choice((2, 2, 3)))]
        if self.chance.random() < 0.2:
            steps[-1] = "export"
        reader = self.chance.choice([*READERS, *rounds.LIBRARIES])
        found = rounds.at_once(self.world, home, ("first",), tuple(steps), self.chance, (reader,))
        self.figures["rounds"] += 1
        self.figures["refused" if found.refused else "waited"] += 1
        self.figures["answers"] += found.read

    def _count(self, killed: bool, is_in: bool) -> None:
        if killed:
            self.figures["kills"] += 1
            self.figures["after" if is_in else "before"] += 1

    def _then(self, step: str) -> tuple[str, ...]:
        return ("third",) if step != "export" and self.chance.random() < 0.2 else ()

    def _operations(self, step: str) -> int:
        return len(self.story(step).operations)

    def _story(self, step: str) -> power.Story:
        return power.tell(self.world, self.home / f"story-{step}", STORIES[step], step)

    def _losses(self, step: str) -> list[power.Loss]:
        return list(power.losses(self.story(step), self.chance.randrange(1 << 30), randoms=6))

    def _duration(self, step: str) -> float:
        store = self.world.place(self.world.after(STORIES[step]), self.home / f"timed-{step}")
        began = time.monotonic()
        self.world.commands.run(*self.world.arguments(step, store))
        return (time.monotonic() - began) * 1.1


def main() -> int:
    """Tortures until the time is over; prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long")
    parser.add_argument(
        "--seed", type=int, default=None, help="of what is drawn at random  [default: another each time]"
    )
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 30) if options.seed is None else options.seed
    home = Path(tempfile.mkdtemp(prefix="torture-"))
    reason = why_no_trace()
    say(f"seed {seed}, {options.seconds:g} seconds" + (f"; without points and power loss: {reason}" if reason else ""))
    failure = None
    with Commands(home / "said") as commands:
        torture = Torture(home, World(home / "world", commands), random.Random(seed))
        end, number = time.monotonic() + options.seconds, 0
        while time.monotonic() < end and failure is None:
            number += 1
            state = home / f"state-{number}"
            try:
                torture.chance.choice(torture.kinds())(state)
                kills.forget(state)
            except Violation as violation:
                failure = str(violation)
                torture.figures["doubled" if violation.is_doubled else "lost"] += 1
            except Exception:  # noqa: BLE001 - whatever it is, the state is kept
                failure = traceback.format_exc()
    for figure, what in FIGURES.items():
        say(f"{what:<52}{torture.figures[figure]:>8,}")
    if failure is None:
        shutil.rmtree(home)
        return 0
    say(f"VIOLATION (seed {seed}, number {number}): {failure}\nthe state: {state}")
    return 1


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
