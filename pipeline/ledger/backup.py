"""Back-up and restore: a copy of a ledger as of one commit, made while runs go on (docs/store.md, "Back-up").

A back-up is a store like any other: it can be opened, checked, dumped. Made again into the same place it brings over
what is new alone. Files come in the order in which a run writes them, segments, log, head, so that a copy that is
killed is the ledger of an earlier commit.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import StoreError, UsageError
from pipeline.ledger import log
from pipeline.ledger.check import check
from pipeline.ledger.store import Store

if TYPE_CHECKING:
    from pipeline.ledger.place import Place
    from pipeline.ledger.store import Segment


@dataclass(frozen=True)
class Copied:
    """What was copied. run: the last one in the copy. files, bytes: brought over. kept: files that were there."""

    run: int
    files: int
    bytes: int
    kept: int

    def __str__(self) -> str:
        size = f"{self.files:,} files, {self.bytes:,} bytes"
        return f"the ledger as of run {self.run}: {size} copied, {self.kept:,} files were there"


def back_up(store: Store, target: Place) -> Copied:
    """Copies the ledger, as it was when `store` was opened, to a place that holds nothing or an earlier back-up of it.

    Raises: UsageError where the place holds something else, StoreError naming a file that is not what was written.
    """
    with target.locked(0):
        there = _earlier_copy(store, target)
        return _copy(store, target, there)


def restore(backup: Store, target: Place) -> Copied:
    """Makes a ledger of a back-up, once every file of it is found whole and its chain holds.

    Raises: UsageError where the place holds a ledger already, StoreError where the back-up is not what was written.
    """
    broken = check(backup, with_chain=not backup.is_older_format())
    if broken:
        raise StoreError(
            f"this back-up is not what was written: {broken[0]}",
            where=str(backup.place),
            mend="restore from an older back-up; see all that is wrong with `lettrage check --chain`",
        )
    with target.locked(0):
        if _is_ledger(target):
            raise UsageError(
                "there is a ledger here already", where=str(target), mend="name a directory that is empty or not there"
            )
        return _copy(backup, target, -1)


def _copy(store: Store, target: Place, there: int) -> Copied:
    """Brings a store over to a place that is at version `there` of the same log."""
    known = target.sizes()
    named = [segment for kind in store.kinds() for segment in store.segments(kind)]
    missing = [segment for segment in named if known.get(segment.name) != segment.size]
    try:
        for segment in missing:
            _copy_segment(store, target, segment)
        target.durable([segment.name for segment in missing])
        size = sum(segment.size for segment in missing)
        last = ""
        for version in range(there + 1, store.version + 1):
            commit = log.read_commit(store.place, version)
            target.put(commit.name, commit.text)
            size, last = size + len(commit.text), commit.digest
        last = last or log.read_commit(store.place, store.version).digest
        log.write_head(target, log.Head(store.version, {log.name_of(store.version): last}))
        names = {segment.name for segment in named}
        target.remove(name for name in known if name.startswith("kind=") and name not in names)
    except OSError as error:
        raise StoreError(
            f"the copy cannot be written ({error.strerror or error})",
            where=str(target),
            mend="make room or mend its rights, then give the command again: it goes on where it ended",
        ) from None
    copy = Store.at(target)
    return Copied(copy.run, len(missing) + store.version - there, size, len(named) - len(missing))


def _copy_segment(store: Store, target: Place, segment: Segment) -> None:
    store.verify_segments([segment])
    path = target.begin(segment.name.rpartition("/")[0])
    try:
        shutil.copyfile(store.place.at(segment.name), path)
        target.finish(path, segment.name)
    finally:
        path.unlink(missing_ok=True)
    if target.digest(segment.name) != store.place.digest(segment.name):
        raise StoreError("a file came over changed", where=target.shown(segment.name), mend="look at the disk")


def _earlier_copy(store: Store, target: Place) -> int:
    """The version of the back-up that is there, -1 where there is none. Raises: UsageError for another ledger."""
    if not _is_ledger(target):
        return -1
    there = Store.at(target).version
    if there <= store.version:
        ours, theirs = (log.read_commit(place, there).digest for place in (store.place, target))
        if ours == theirs:
            return there
    raise UsageError(
        "what is here is no earlier back-up of this ledger", where=str(target), mend="name another directory"
    )


def _is_ledger(target: Place) -> bool:
    """Whether a place holds a ledger. Raises: StoreError where it holds other files."""
    return Store.at(target, create=True).version >= 0
