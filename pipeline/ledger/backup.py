"""Back-up and restore: a copy of a ledger as of one commit, made while runs go on (docs/store.md, "Back-up and move").

A back-up is a store that is read like any other and that nobody writes to: a file in its log says that it is a copy.
Made again into the same place it brings over what is new alone. Whenever a copy is killed, its place is as it was
before or as it is after: segments come first, then the log from its last file back to the first that is missing (until
then the copy is at the version before them), then the head. What is no longer named stays until the copy after.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import ReplacedError, StoreError, UsageError
from pipeline.ledger import log
from pipeline.ledger.check import check
from pipeline.ledger.store import Store

if TYPE_CHECKING:
    from pipeline.ledger.place import Place
    from pipeline.ledger.store import Segment

#: how often a copy looks at the ledger anew where files were cleared away before it came to them
_TRIES = 5


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

    Where the copy takes so long that files were cleared away meanwhile, it goes on with the ledger as it is then.
    Raises: UsageError where the place holds something else, StoreError naming a file that is not what was written.
    """
    _demand_another_place(store, target)
    with target.locked(0):
        there = _earlier_copy(store, target)
        for _ in range(_TRIES):
            try:
                return _copy(store, target, there, is_back_up=True)
            except ReplacedError:
                store = Store.at(store.place)
        return _copy(store, target, there, is_back_up=True)


def restore(backup: Store, target: Place) -> Copied:
    """Makes a ledger of a back-up, once every file of it is found whole and its chain holds.

    A restore that was killed is gone on with. Raises: UsageError where the place holds a ledger already, StoreError
    where the back-up is not what was written.
    """
    _demand_another_place(backup, target)
    broken = check(backup, with_chain=not backup.is_older_format())
    if broken:
        raise StoreError(
            f"this back-up is not what was written: {broken[0]}",
            where=str(backup.place),
            mend="restore from an older back-up; see all that is wrong with `lettrage check --chain`",
        )
    with target.locked(0):
        if _mark(target).get("complete", True) and _version(target) >= 0:
            raise UsageError(
                "there is a ledger here already", where=str(target), mend="name a directory that is empty or not there"
            )
        return _copy(backup, target, _earlier_copy(backup, target), is_back_up=False)


def _copy(store: Store, target: Place, there: int, *, is_back_up: bool) -> Copied:
    """Brings a store over to a place that is at version `there` of the same log."""
    known = target.sizes()
    before = set() if there < 0 else _named(Store.at(target))
    wanted = [segment for kind in store.kinds() for segment in store.segments(kind)]
    missing = [segment for segment in wanted if known.get(segment.name) != segment.size]
    size = sum(segment.size for segment in missing)
    try:
        _write_mark(target, complete=False)
        for segment in missing:
            _copy_segment(store, target, segment)
        target.durable([segment.name for segment in missing])
        for commit in log.read_commits(store.place, store.version, there + 1):
            target.put(commit.name, commit.text)
            size += len(commit.text)
        last = log.read_commit(store.place, store.version)
        log.write_head(target, log.Head(store.version, {last.name: last.digest}))
        if is_back_up:
            _write_mark(target, complete=True)
        else:
            target.remove([log.COPY])
            target.durable([log.HEAD])
        kept = before | _named(store)
        target.remove(name for name in known if name.startswith("kind=") and name not in kept)
    except OSError as error:
        raise StoreError(
            f"the copy cannot be written ({error.strerror or error})",
            where=str(target),
            mend="make room or mend its rights, then give the command again: it goes on where it ended",
        ) from None
    copy = Store.at(target)
    return Copied(copy.run, len(missing) + store.version - there, size, len(wanted) - len(missing))


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
    """The version of the copy that is there, -1 where there is none. Raises: UsageError for another ledger."""
    there = _version(target)
    if there < 0:
        return -1
    if there <= store.version and _mark(target):
        ours, theirs = (log.read_commit(place, there).digest for place in (store.place, target))
        if ours == theirs:
            return there
    raise UsageError(
        "what is here is no earlier back-up of this ledger", where=str(target), mend="name another directory"
    )


def _version(target: Place) -> int:
    """The version that a place is at, -1 where nothing is there yet. Raises: StoreError where it holds other files."""
    names = target.sizes()
    version, _ = log.last_version(target, names, log.read_head(target) or log.Head())
    if version >= 0 or log.COPY in names:
        return version
    return Store.at(target, create=True).version


def _mark(target: Place) -> dict[str, bool]:
    """What the file says that marks a copy; empty where there is none."""
    try:
        return dict(json.loads(target.read(log.COPY)))
    except FileNotFoundError:
        return {}
    except ValueError:
        return {"complete": False}


def _write_mark(target: Place, *, complete: bool) -> None:
    target.put(log.COPY, (json.dumps({"complete": complete}) + "\n").encode("ascii"))


def _named(store: Store) -> set[str]:
    return {segment.name for kind in store.kinds() for segment in store.segments(kind)}


def _demand_another_place(store: Store, target: Place) -> None:
    if str(store.place) == str(target):
        raise UsageError("this is the ledger itself", where=str(target), mend="name another place for the copy")
