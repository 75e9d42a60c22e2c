"""Corruption: one file of a store is changed; whoever reads it says so, or is not touched by it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from tests.torture.world import READERS, Violation, World, is_a_sentence, tree


def _flipped(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(1, len(data))] if len(data) > 1 else b""


def _cut_after_a_line(data: bytes, chance: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join(lines[: chance.randrange(1, len(lines))]) if len(lines) > 1 else data[:-1]


#: what is made of a file's bytes; None: it is removed
DAMAGES: dict[str, Callable[[bytes, random.Random], bytes | None]] = {
    "a bit flipped": _flipped,
    "a bit flipped elsewhere": _flipped,
    "cut": _cut,
    "cut after a line": _cut_after_a_line,
    "emptied": lambda _, __: b"",
    "zeroed": lambda data, _: bytes(len(data)),
    "longer": lambda data, _: data + data[-20:],
    "removed": lambda _, __: None,
}


def stored_files(store: Path) -> list[str]:
    """The files of a store by name, whose bytes say something."""
    return [name for name, data in tree(store).items() if data]


def damage(store: Path, name: str, how: str, chance: random.Random) -> None:
    """Changes a file of a store."""
    path = store / name
    made = DAMAGES[how](path.read_bytes(), chance)
    if made is None:
        path.unlink()
    else:
        path.write_bytes(made)


def is_spare(name: str) -> bool:
    """Whether a file only spares readers some work: that it is not there need not be said."""
    return "checkpoint" in name or "/_" in name


def suffer_damage(
    world: World, home: Path, done: tuple[str, ...], name: str, how: str, chance: random.Random, reader: str
) -> None:
    """Damages a file of a ledger and holds `check` to naming it, and a reader or `run` to refusing or being right.

    Raises: Violation; the state is then left in `home`.
    """
    store = world.place(world.after(done), home)
    damage(store, name, how, chance)
    place = f"{name} {how}"
    checked = world.commands.run("check", "--store", store)
    said = checked.out + checked.err
    if checked.ended_well:
        if not (how == "removed" and is_spare(name)):
            raise Violation(f"{place}: check says that all is well")
    elif checked.code != 1 or "Traceback" in said or "panicked" in said:
        raise Violation(f"{place}: check ends with {checked.code}: {said[-1500:]}")
    elif name.rpartition("/")[2] not in said.replace("\n", ""):
        raise Violation(f"{place}: check does not name it: {said[-1500:]}")
    ended, answer = (
        (world.commands.run(*world.arguments("second", store)), None) if reader == "run" else world.ask(store, reader)
    )
    if not ended.ended_well:
        if not is_a_sentence(ended):
            raise Violation(f"{place}: {reader} ends with {ended.code}: {ended.err[-1500:]}")
        return
    steps = done
    if reader == "run":
        steps = (*done, "second")
        ended, answer = world.ask(store, "dump")
        if not ended.ended_well:
            if not is_a_sentence(ended):
                raise Violation(f"{place}: dump after a run ends with {ended.code}: {ended.err[-1500:]}")
            return
    if answer != world.answer(steps, "dump" if reader == "run" else reader):
        raise Violation(f"{place}: {reader} gives another answer than of the whole ledger")


def random_damage(world: World, home: Path, done: tuple[str, ...], chance: random.Random) -> None:
    """One damage of any kind to any file, seen by any reader. Raises: Violation."""
    store = world.after(done).store
    assert store is not None
    name = chance.choice(stored_files(store))
    suffer_damage(world, home, done, name, chance.choice(list(DAMAGES)), chance, chance.choice([*READERS, "run"]))
