"""Kills: a command ended at a moment or after an operation, the ledger looked at, and gone on with."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from tests.torture.commands import KILLED, Done
from tests.torture.trace import Operation, kill_after, operations
from tests.torture.world import Violation, World, tree


def kill_at_moment(
    world: World, home: Path, done: tuple[str, ...], step: str, seconds: float, then: tuple[str, ...] = ()
) -> tuple[bool, bool]:
    """Kills a step `seconds` after its start; goes on to `then`. Returns whether it was killed, and whether it is in."""
    store = world.place(world.after(done), home)
    command = world.commands.start(*world.arguments(step, store))
    time.sleep(seconds)
    command.kill()
    ended = command.wait()
    return ended.code == KILLED, _judged(world, store, done, step, then, ended)


def kill_at_operation(
    world: World, home: Path, done: tuple[str, ...], step: str, count: int, then: tuple[str, ...] = ()
) -> tuple[bool, bool, list[Operation]]:
    """Kills a step after its nth operation on files; likewise, and returns what it had done by then."""
    store = world.place(world.after(done), home)
    command = world.commands.start(*world.arguments(step, store), held=True)
    did = kill_after(command, home, count)
    ended = command.wait()
    return ended.code == KILLED, _judged(world, store, done, step, then, ended), did


def operations_of(world: World, home: Path, done: tuple[str, ...], step: str) -> list[Operation]:
    """What a step does to the files of its home when nothing disturbs it."""
    store = world.place(world.after(done), home)
    command = world.commands.start(*world.arguments(step, store), held=True)
    did = operations(command, home)
    ended = command.wait()
    if not ended.ended_well:
        raise Violation(f"{step} after {done}, watched: exit {ended.code}, {ended.err}")
    return did


def _judged(world: World, store: Path, done: tuple[str, ...], step: str, then: tuple[str, ...], ended: Done) -> bool:
    if ended.code != KILLED and not ended.ended_well:
        raise Violation(f"{step} after {done}: exit {ended.code}, {ended.err}")
    is_in = world.has_happened(store, done, step)
    if ended.ended_well and not is_in:
        raise Violation(f"{step} after {done} said that it was done, and the ledger has nothing of it")
    if step == "export":
        finish_export(world, store, done, is_in=is_in)
    else:
        world.finish(store, done, step, is_in=is_in, then=then)
    return is_in


def finish_export(world: World, store: Path, done: tuple[str, ...], *, is_in: bool) -> None:
    """An export that was recorded is written again from its record, one that was not is made: the same files.

    Raises: Violation, also where a file had its name before it was whole.
    """
    wanted = world.after((*done, "export")).store
    assert wanted is not None
    files = tree(wanted.parent / "files")
    folder = store.parent / "files"
    for name, data in tree(folder).items() if folder.is_dir() else ():
        if name in files and files[name] != data:
            raise Violation(f"export after {done}: {name} is there and not whole")
        if name in files and not is_in:
            raise Violation(f"export after {done}: {name} is there, and no record of it")
    again = ["export", "--again", "1", "--store", store, "--out", folder]
    ended = world.commands.run(*(again if is_in else world.arguments("export", store)))
    if not ended.ended_well:
        raise Violation(f"export after {done}, again: exit {ended.code}, {ended.err}")
    world.go_on(store, (*done, "export"), ())
    if tree(folder) != files:
        raise Violation(f"export after {done}: it left {sorted(tree(folder))}")


def names_at_rest(store: Path) -> set[str]:
    """The files of a store that is not being written: without its lock."""
    return {name for name in tree(store) if name != ".lock"}


def forget(home: Path) -> None:
    """Removes a state that was as it should be."""
    shutil.rmtree(home, ignore_errors=True)
