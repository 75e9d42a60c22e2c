"""No room, or no right to write: a run fails with a sentence and the ledger is as it was; readers go on reading."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.torture.world import READERS, World, is_a_sentence, tree

DONE = ("first",)


@pytest.mark.parametrize(
    "size", [2000, *(pytest.param(size, marks=pytest.mark.slow) for size in (600, 1000, 3000, 4096, 5000, 6000, 7000))]
)
def test_files_that_may_not_grow(size: int, world: World, tmp_path: Path) -> None:
    store = world.place(world.after(DONE), tmp_path)
    ended = world.commands.run(*world.arguments("second", store), file_size=size)
    assert is_a_sentence(ended), ended
    assert not world.has_happened(store, DONE, "second")
    world.go_on(store, DONE, ("second",))


@pytest.mark.slow
@pytest.mark.parametrize("size", [2000, 4000, 100_000])
def test_files_of_a_first_run_that_may_not_grow(size: int, world: World, tmp_path: Path) -> None:
    store = world.place(world.after(()), tmp_path)
    ended = world.commands.run(*world.arguments("first", store), file_size=size)
    assert ended.ended_well or is_a_sentence(ended), ended
    assert world.has_happened(store, (), "first") == ended.ended_well
    world.finish(store, (), "first", is_in=ended.ended_well)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own in memory, of which a test sets the size."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a file system can only be mounted by root: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, 4, 8, 16, 32, 48, 64, 80, 88, 96, 104, 112])
def test_a_disk_that_is_full(room: int, world: World, small_disk: Path) -> None:
    store = world.place(world.after(DONE), small_disk / "home")
    left = shutil.disk_usage(small_disk).free
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file:
        file.write(bytes(left - room * 1024))
    ended = world.commands.run(*world.arguments("second", store))
    assert ended.ended_well or is_a_sentence(ended), ended
    ballast.unlink()
    assert world.has_happened(store, DONE, "second") == ended.ended_well
    world.finish(store, DONE, "second", is_in=ended.ended_well)


@pytest.fixture
def read_only_store(world: World, tmp_path: Path) -> Iterator[Path]:
    """A store without the right to write."""
    store = world.place(world.after(DONE), tmp_path)
    places = [store, *store.rglob("*")]
    for place in places:
        place.chmod(0o555 if place.is_dir() else 0o444)
    yield store
    for place in places:
        place.chmod(0o755 if place.is_dir() else 0o644)


@pytest.mark.parametrize(
    "reader", [READERS[0], *(pytest.param(reader, marks=pytest.mark.slow) for reader in READERS[1:])]
)
def test_a_store_that_may_only_be_read_is_read(reader: str, world: World, read_only_store: Path) -> None:
    before = tree(read_only_store)
    ended, answer = world.ask(read_only_store, reader, powerless=True)
    assert ended.ended_well, ended.err
    assert answer == world.answer(DONE, reader)
    assert world.commands.run("check", "--store", read_only_store, powerless=True).code == 0
    assert tree(read_only_store) == before


def test_a_store_that_may_only_be_read_is_not_written(world: World, read_only_store: Path) -> None:
    before = tree(read_only_store)
    ended = world.commands.run(*world.arguments("second", read_only_store), powerless=True)
    assert is_a_sentence(ended), ended
    assert tree(read_only_store) == before


@pytest.mark.slow
def test_a_store_on_a_read_only_disk(world: World, small_disk: Path) -> None:
    store = world.place(world.after(DONE), small_disk / "home")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for reader in READERS:
        ended, answer = world.ask(store, reader)
        assert ended.ended_well, ended.err
        assert answer == world.answer(DONE, reader)
    ended = world.commands.run(*world.arguments("second", store))
    assert is_a_sentence(ended), ended
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    world.go_on(store, DONE, ("second",))
