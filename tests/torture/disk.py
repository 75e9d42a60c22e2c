"""What a disk may hold when the power fails: a pure model over a list of file operations.

Of a file only what was there at its last fsync is sure; what was written since may be there, be lost, be cut, or read as
zeros. A name (made, renamed, linked, removed) is only sure once its directory was fsynced; until then each name may be as
it was or as it became, whatever became of the others and of what the files hold. A rename alone loses no file: at least
one of its two names is there. Nothing is assumed of the order in which a file system writes.
"""

from __future__ import annotations

import posixpath
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from tests.torture.trace import Operation

BLOCK = 4096


@dataclass(frozen=True)
class Tree:
    """What a disk holds: the bytes of its files and its folders, by name."""

    files: Mapping[str, bytes]
    folders: frozenset[str]


class Disk:
    """A disk that starts from a tree, all of it durable, and takes operations one by one.

    A name's history begins with what is durable; None is no file. A node is a file or a folder, whatever its names.
    """

    def __init__(self, tree: Tree) -> None:
        self._names: dict[str, list[int | None]] = {}
        self._data: dict[int, bytes] = {}  # as the system sees it; a folder has none
        self._durable: dict[int, bytes] = {}
        self._renames: list[tuple[str, str, int]] = []  # (from, to, node) of which no folder was synced since
        self._nodes = 0
        for folder in tree.folders:
            self._names[folder] = [self._node()]
        for name, data in tree.files.items():
            node = self._node()
            self._names[name] = [node]
            self._data[node] = self._durable[node] = data

    def apply(self, operation: Operation) -> None:
        """Does what the system did."""
        getattr(self, f"_{operation.call}")(operation)

    def _node(self) -> int:
        self._nodes += 1
        return self._nodes

    def _at(self, name: str) -> int | None:
        return self._names.get(name, [None])[-1]

    def _name(self, name: str, node: int | None) -> None:
        self._names.setdefault(name, [None]).append(node)

    def _create(self, operation: Operation) -> None:
        if self._at(operation.path) is None:
            node = self._node()
            self._data[node] = self._durable[node] = b""
            self._name(operation.path, node)

    def _truncate(self, operation: Operation) -> None:
        node = self._at(operation.path)
        if node is not None:
            self._data[node] = self._data[node][: operation.offset].ljust(operation.offset, b"\0")

    def _write(self, operation: Operation) -> None:
        node = self._at(operation.path)
        if node is not None:  # else it has no name any more: what it holds is lost anyway
            data, end = self._data[node].ljust(operation.offset, b"\0"), operation.offset + len(operation.data)
            self._data[node] = data[: operation.offset] + operation.data + data[end:]

    def _sync(self, operation: Operation) -> None:
        node = self._at(operation.path)
        if node in self._data:
            self._durable[node] = self._data[node]
            return
        for name, history in self._names.items():
            if name and posixpath.dirname(name) == operation.path:
                del history[:-1]
        self._renames = [rename for rename in self._renames if operation.path not in map(posixpath.dirname, rename[:2])]

    def _link(self, operation: Operation) -> None:
        self._name(operation.to, self._at(operation.path))

    def _rename(self, operation: Operation) -> None:
        node = self._at(operation.path)
        if node is None or node not in self._data:
            raise NotImplementedError(f"{operation} of a folder")
        self._name(operation.to, node)
        self._name(operation.path, None)
        self._renames.append((operation.path, operation.to, node))

    def _unlink(self, operation: Operation) -> None:
        self._name(operation.path, None)

    def _rmdir(self, operation: Operation) -> None:
        self._name(operation.path, None)

    def _mkdir(self, operation: Operation) -> None:
        self._name(operation.path, self._node())

    def state(
        self,
        name: Callable[[list[int | None]], int | None],
        data: Callable[[bytes, bytes], bytes],
    ) -> Tree:
        """A tree that the disk may hold.

        name: picks of a name's history. data: makes of what is durable and of what was written what the disk holds; it
        is not asked for files of which all is durable.
        """
        picked = {path: name(history) if len(history) > 1 else history[0] for path, history in self._names.items()}
        for before, after, node in self._renames:
            if picked[before] != node and picked[after] != node and self._at(after) == node:
                picked[after] = node
        contents = {
            node: self._durable[node] if self._durable[node] == written else data(self._durable[node], written)
            for node, written in self._data.items()
        }
        folders = {""} | {path for path, node in picked.items() if node is not None and node not in self._data}

        def is_reached(path: str) -> bool:
            folder = posixpath.dirname(path)
            return folder == "" or (folder in folders and is_reached(folder))

        return Tree(
            {
                path: contents[node]
                for path, node in picked.items()
                if node is not None and node in self._data and is_reached(path)
            },
            frozenset(path for path in folders if path and is_reached(path)),
        )


def as_it_was(history: list[int | None]) -> int | None:
    return history[0]


def as_it_became(history: list[int | None]) -> int | None:
    return history[-1]


def lost(durable: bytes, written: bytes) -> bytes:
    return durable


def whole(durable: bytes, written: bytes) -> bytes:
    return written


def zeros(durable: bytes, written: bytes) -> bytes:
    """Its length is known, its blocks are not: they read as zeros."""
    kept = durable if written.startswith(durable) else b""
    return kept + bytes(len(written) - len(kept))


def first_block_alone(durable: bytes, written: bytes) -> bytes:
    """The first block was written, those after it read as zeros."""
    return written[:BLOCK] + bytes(max(0, len(written) - BLOCK))


def cut_at_a_block(durable: bytes, written: bytes) -> bytes:
    return written[: max(len(written) - 1, 0) // BLOCK * BLOCK]


def cut_at(place: Callable[[bytes], int]) -> Callable[[bytes, bytes], bytes]:
    """Cut where `place` says, of what was written."""
    return lambda _, written: written[: place(written)]


def after_line(number: int) -> Callable[[bytes], int]:
    """The end of a line, which leaves whole lines: counted from the first, or from the last where it is negative."""

    def place(written: bytes) -> int:
        ends = [place + 1 for place, byte in enumerate(written) if byte == 0x0A]
        return ends[number] if -len(ends) <= number < len(ends) else 0

    return place


def worst_states(disk: Disk, chance: random.Random) -> Iterator[tuple[str, Tree]]:
    """The states to fear most, with what to call them: names there without their data, and data without its name."""
    yield "all that was not synced is lost", disk.state(as_it_was, lost)
    yield "all names, all data", disk.state(as_it_became, whole)
    yield "old names, all data", disk.state(as_it_was, whole)
    yield "all names, no data", disk.state(as_it_became, lost)
    yield "all names, data of zeros", disk.state(as_it_became, zeros)
    yield "all names, the first block alone", disk.state(as_it_became, first_block_alone)
    yield "all names, data cut at a block", disk.state(as_it_became, cut_at_a_block)
    yield "all names, data cut anywhere", disk.state(as_it_became, cut_at(lambda data: chance.randrange(len(data) + 1)))
    for number in (0, 1, 2, -3, -2, -1):
        yield f"all names, data cut after line {number}", disk.state(as_it_became, cut_at(after_line(number)))


def random_state(disk: Disk, chance: random.Random) -> Tree:
    """Any state: each name and each file fares on its own."""
    fates = (lost, whole, whole, zeros, first_block_alone, cut_at_a_block)

    def data(durable: bytes, written: bytes) -> bytes:
        cut = cut_at(lambda data: chance.randrange(len(data) + 1))
        line = cut_at(after_line(chance.randrange(-4, 4)))
        return chance.choice((*fates, cut, line))(durable, written)

    return disk.state(chance.choice, data)


def disks(tree: Tree, operations: Iterable[Operation]) -> Iterator[Disk]:
    """The disk before the first operation and after each; one and the same object, which goes on."""
    disk = Disk(tree)
    yield disk
    for operation in operations:
        disk.apply(operation)
        yield disk
