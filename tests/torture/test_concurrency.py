"""Commands on one ledger at once: each is done once or refused with a sentence; readers see one ledger."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.torture.rounds import LIBRARIES, at_once
from tests.torture.share import share
from tests.torture.world import READERS, STORIES, World

ROUNDS = 50
#: what is given at once; a step that stands twice is the same batch given twice
PAIRS = [
    ("second", "other"),
    ("second", "second"),
    ("other", "second"),
    ("second", "third"),
    ("third", "other"),
    ("other", "other"),
    ("second", "export"),
    ("export", "other"),
    ("export", "export"),
    ("second", "other", "third"),
]


@pytest.mark.slow
def test_three_runs_at_once(world: World, tmp_path: Path) -> None:
    assert at_once(world, tmp_path, ("first",), ("second", "other", "third"), random.Random(0)).order


@pytest.mark.slow
@pytest.mark.parametrize("number", share(range(ROUNDS)))
def test_a_round_of_writers(number: int, world: World, tmp_path: Path) -> None:
    steps = PAIRS[number % len(PAIRS)]
    found = at_once(world, tmp_path, ("first",), steps, random.Random(number))
    assert len(found.order) + found.refused == len(steps)


@pytest.mark.slow
@pytest.mark.parametrize(
    "steps", [("third", "compact"), ("compact", "third"), ("compact", "export"), ("compact", "compact")]
)
def test_a_compaction_meanwhile(steps: tuple[str, ...], world: World, tmp_path: Path) -> None:
    at_once(world, tmp_path, STORIES["compact"], steps, random.Random(1), ("dump", "duckdb"))


@pytest.mark.slow
@pytest.mark.parametrize("reader", [*READERS, *LIBRARIES])
def test_a_reader_during_runs_sees_one_ledger(reader: str, world: World, tmp_path: Path) -> None:
    for number in range(3):
        home = tmp_path / str(number)
        found = at_once(world, home, ("first",), ("second", "other"), random.Random(number), (reader,))
        assert found.read >= 2
        shutil.rmtree(home)
