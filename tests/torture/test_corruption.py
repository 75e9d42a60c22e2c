"""A byte that is not what was written: `check` names the file, and nobody takes it for data."""

from __future__ import annotations

import random
import shutil
import zlib
from pathlib import Path

import pytest

from tests.torture.damage import DAMAGES, random_damage, stored_files, suffer_damage
from tests.torture.world import READERS, World

DONE = ("first",)


@pytest.mark.parametrize("seed", range(2))
def test_a_file_is_damaged(seed: int, world: World, tmp_path: Path) -> None:
    random_damage(world, tmp_path, DONE, random.Random(seed))


@pytest.mark.slow
@pytest.mark.parametrize("how", DAMAGES)
def test_every_file_is_damaged(how: str, world: World, tmp_path: Path) -> None:
    store = world.after(DONE).store
    assert store is not None
    chance = random.Random(zlib.crc32(how.encode()))
    for number, name in enumerate(stored_files(store)):
        home = tmp_path / str(number)
        suffer_damage(world, home, DONE, name, how, chance, chance.choice([*READERS, "run"]))
        shutil.rmtree(home)
