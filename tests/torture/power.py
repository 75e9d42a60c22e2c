"""Power loss: the states in which a disk may be after each operation of a command, built and opened."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.torture.disk import Tree, disks, random_state, worst_states
from tests.torture.kills import finish_export, operations_of
from tests.torture.trace import Operation
from tests.torture.world import Violation, World


@dataclass(frozen=True)
class Story:
    """A step on a ledger: what it did to the disk, which was `tree` before."""

    done: tuple[str, ...]
    step: str
    tree: Tree
    operations: list[Operation]

    def __str__(self) -> str:
        return f"{self.step} after {'-'.join(self.done) or 'nothing'}"


@dataclass(frozen=True)
class Loss:
    """A state of the disk. point: operations that had been done; acknowledged: the command had ended by then."""

    point: int
    name: str
    tree: Tree
    acknowledged: bool


def tell(world: World, home: Path, done: tuple[str, ...], step: str) -> Story:
    """Runs a step and tells what it did to the disk."""
    store = world.place(world.after(done), home / "before")
    before = tree_of(store.parent)
    return Story(done, step, before, operations_of(world, home / "traced", done, step))


def tree_of(home: Path) -> Tree:
    """A directory as a disk holds it."""
    found = {path.relative_to(home).as_posix(): path for path in home.rglob("*")}
    return Tree(
        {name: path.read_bytes() for name, path in found.items() if path.is_file()},
        frozenset(name for name, path in found.items() if path.is_dir()),
    )


def build(tree: Tree, home: Path) -> Path:
    """Makes a directory hold a tree; returns where its store is."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    for folder in sorted(tree.folders):
        (home / folder).mkdir(exist_ok=True)
    for name, data in tree.files.items():
        (home / name).write_bytes(data)
    return home / "store"


def losses(story: Story, seed: int, *, randoms: int = 2) -> Iterator[Loss]:
    """The states to fear most at each point, and some at random; each tree once, but for the last point's."""
    seen: set[bytes] = set()
    for point, disk in enumerate(disks(story.tree, story.operations)):
        chance = random.Random(seed * 1_000_003 + point)
        last = point == len(story.operations)
        states = list(worst_states(disk, chance))
        states += [(f"random {number}", random_state(disk, chance)) for number in range(randoms * (5 if last else 1))]
        for name, tree in states:
            digest = hashlib.sha256(repr((sorted(tree.files.items()), sorted(tree.folders), last)).encode()).digest()
            if digest not in seen:
                seen.add(digest)
                yield Loss(point, name, tree, last)


def suffer(world: World, home: Path, story: Story, loss: Loss, *, go_on: bool) -> bool:
    """Opens a disk after a loss of power; with `go_on` does the step again and the next. Returns whether it is in.

    Raises: Violation; the state is then left in `home`.
    """
    store = build(loss.tree, home)
    place = f"{story}, power lost after operation {loss.point} ({operation_at(story, loss.point)}), {loss.name}"
    try:
        is_in = world.has_happened(store, story.done, story.step)
        if loss.acknowledged and not is_in:
            raise Violation("the command had said that it was done, and the ledger has nothing of it")  # noqa: TRY301
        if go_on and story.step == "export":
            store.parent.joinpath("files").mkdir(exist_ok=True)
            finish_export(world, store, story.done, is_in=is_in)
        elif go_on:
            world.finish(store, story.done, story.step, is_in=is_in)
    except Violation as violation:
        violation.args = (f"{place}: {violation}",)
        raise
    return is_in


def operation_at(story: Story, point: int) -> str:
    """The operation after which a point is."""
    return str(story.operations[point - 1]) if point else "none yet"
