"""A command killed at any moment leaves the ledger as it was or as it is after, and going on gives the same ledger."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.torture.commands import KILLED, REPOSITORY
from tests.torture.kills import kill_at_moment, kill_at_operation, names_at_rest
from tests.torture.share import share
from tests.torture.trace import Operation, kill_after
from tests.torture.world import STORIES, World

Operations = Callable[[tuple[str, ...], str], list[Operation]]

#: of each step, how many kills are spread over its operations; each of the last ones gets one besides
SPREAD = {"first": 20, "second": 20, "axis": 15, "export": 10, "compact": 10}
LAST = {"first": 14, "second": 25, "axis": 8, "export": 8, "compact": 12}
MOMENTS = 80


@pytest.mark.parametrize(
    ("point", "is_in"),
    [
        pytest.param("in the middle", False, marks=pytest.mark.slow),
        ("before it commits", False),
        ("at its end", True),
    ],
)
def test_killed_after_an_operation(
    point: str, is_in: bool, world: World, operations: Operations, tmp_path: Path
) -> None:
    all_of_them = operations(("first",), "second")
    first = next(number for number, one in enumerate(all_of_them, 1) if one.call in ("link", "rename"))
    count = {"in the middle": first // 2, "before it commits": first - 1, "at its end": len(all_of_them)}[point]
    killed, found, did = kill_at_operation(world, tmp_path, ("first",), "second", count)
    assert (killed or point == "at its end", found, len(did) >= count) == (True, is_in, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "number"),
    [
        (step, number)
        for step in STORIES
        for number in [*share(range(SPREAD[step])), *range(SPREAD[step], SPREAD[step] + LAST[step])]
    ],
)
def test_killed_after_each_of_its_operations(
    step: str, number: int, world: World, operations: Operations, tmp_path: Path
) -> None:
    total = len(operations(STORIES[step], step))
    spread = SPREAD[step]
    count = number * (total - LAST[step]) // spread if number < spread else total - LAST[step] + (number - spread) + 1
    killed, is_in, _ = kill_at_operation(
        world, tmp_path, STORIES[step], step, count, ("third",) if number % 5 == 0 and step != "export" else ()
    )
    assert killed or is_in, "it may have done fewer operations than when it was counted"
    if number == spread + LAST[step] - 1:
        assert is_in, "after the last one nothing is left to do"
    if count <= total // 3 and step != "compact":
        assert not is_in


@pytest.mark.slow
@pytest.mark.parametrize("number", share(range(MOMENTS)))
def test_killed_at_a_moment(number: int, world: World, tmp_path: Path) -> None:
    step = list(STORIES)[number % len(STORIES)]
    limit = duration(world, step)
    chance = random.Random(number)
    kill_at_moment(world, tmp_path, STORIES[step], step, limit * (number + chance.random()) / MOMENTS)


@cache
def duration(world: World, step: str) -> float:
    """Seconds that a step takes here, and a little more."""
    home = world.home / f"timed-{step}"
    store = world.place(world.after(STORIES[step]), home)
    began = time.monotonic()
    assert world.commands.run(*world.arguments(step, store)).ended_well
    return (time.monotonic() - began) * 1.1


@pytest.mark.slow
@pytest.mark.parametrize("number", range(10))
def test_the_command_as_a_person_gives_it_killed_at_a_moment(number: int, world: World, tmp_path: Path) -> None:
    store = world.place(world.after(("first",)), tmp_path)
    arguments = [sys.executable, "-m", "pipeline.cli", *map(str, world.arguments("second", store))]
    with subprocess.Popen(arguments, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            process.wait(0.3 * (number + random.Random(number).random()))
        except subprocess.TimeoutExpired:
            process.kill()
    is_in = world.has_happened(store, ("first",), "second")
    assert is_in or process.returncode == KILLED
    world.finish(store, ("first",), "second", is_in=is_in)


@pytest.mark.slow
def test_litter_does_not_grow_however_often_it_is_killed(world: World, operations: Operations, tmp_path: Path) -> None:
    store = world.place(world.after(("first",)), tmp_path)
    undisturbed = world.after(("first", "second")).store
    assert undisturbed is not None
    most = len(names_at_rest(undisturbed))
    total, chance = len(operations(("first",), "second")), random.Random(1)
    sizes = []
    for _ in range(30):
        command = world.commands.start(*world.arguments("second", store), held=True)
        kill_after(command, tmp_path, chance.randrange(1, total * 3 // 4))
        assert command.wait().code == KILLED
        sizes.append(len(names_at_rest(store)))
    assert max(sizes) <= most + 2, "what the one before left is gone when the next one writes"
    world.go_on(store, ("first",), ("second",))
    assert folders(store) == folders(undisturbed)


@pytest.mark.slow
def test_what_a_killed_command_leaves_is_gone_after_the_next(
    world: World, operations: Operations, tmp_path: Path
) -> None:
    undisturbed = world.after(("first", "second")).store
    assert undisturbed is not None
    total = len(operations(("first",), "second"))
    for count in range(1, total, max(1, total // 24)):
        home = tmp_path / str(count)
        _, is_in, _ = kill_at_operation(world, home, ("first",), "second", count)
        if not is_in:
            assert folders(home / "store") == folders(undisturbed)
        shutil.rmtree(home)


def folders(store: Path) -> Counter[str]:
    """How many files there are in each folder of a store: their names are never the same twice."""
    return Counter(name.rpartition("/")[0] for name in names_at_rest(store))
