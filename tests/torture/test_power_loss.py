"""The power fails at any point: what was said to be done is there, what was not is there whole or not at all."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.torture.kills import forget
from tests.torture.power import Story, losses, suffer
from tests.torture.world import STORIES, World

Tell = Callable[[tuple[str, ...], str], Story]
PARTS = 4
#: one state in so many is gone on from; of those around the commit more
GONE_ON, GONE_ON_AT_LAST, LAST = 80, 12, 25


def test_what_was_acknowledged_is_there(world: World, story: Tell, tmp_path: Path) -> None:
    told = story(("first",), "second")
    last = [loss for loss in losses(told, seed=0) if loss.acknowledged]
    assert last
    for number, loss in enumerate(last):
        assert suffer(world, tmp_path / "disk", told, loss, go_on=number == 0)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("step", STORIES)
def test_every_state_of_the_disk(step: str, part: int, world: World, story: Tell, tmp_path: Path) -> None:
    told = story(STORIES[step], step)
    outcomes: Counter[bool] = Counter()
    chance = random.Random(part)
    for loss in itertools.islice(losses(told, seed=1), part, None, PARTS):
        is_last = loss.point > len(told.operations) - LAST
        go_on = chance.randrange(GONE_ON_AT_LAST if is_last else GONE_ON) == 0
        outcomes[suffer(world, tmp_path / "disk", told, loss, go_on=go_on)] += 1
        forget(tmp_path / "disk")
    assert outcomes[True]
    assert outcomes[False] or step == "compact", "a compaction is seen by nobody"
