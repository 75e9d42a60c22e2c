"""The log of a store: one small JSON file a commit, each with the digest of the one before it (docs/store.md).

The files are Delta's (protocol: delta.io, "Delta Transaction Log Protocol") and deltalake writes them. What is ours
stands in the `commitInfo` of each: the SHA-256 of the log file before, and how many actions there are, so that a file
that was cut off or changed is told from a whole one. The last file has nothing after it that could vouch for it: the
*head*, a file of ours beside the log, holds its digest and those of the checkpoints. It is written when the commit is
on the disk; one that is behind the log only says that a process died in between.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipeline.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.ledger.place import Place

FOLDER = "_delta_log"
HEAD = f"{FOLDER}/_lettrage_head.json"
#: what says that a place holds a copy: a back-up, or a ledger that is being restored
COPY = f"{FOLDER}/_lettrage_copy.json"
LAST_CHECKPOINT = f"{FOLDER}/_last_checkpoint"
#: keys of a commit: digest of the log file before it; how many actions it has; its segments' digests (format 1)
PREVIOUS = "lettrage.previous"
ACTIONS = "lettrage.actions"
SEGMENTS = "lettrage.sha256"
#: the actions without which a commit that is no run's is cut off
_WANTED = {"CREATE TABLE": {"protocol", "metaData"}, "ADD COLUMN": {"metaData"}, "SET TBLPROPERTIES": {"metaData"}}
_COMMIT = re.compile(rf"{FOLDER}/(\d{{20}})\.json\Z")
_CHECKPOINT = re.compile(rf"{FOLDER}/(\d{{20}})\.checkpoint\.parquet\Z")
#: what deltalake writes a commit to before it has its name
_UNNAMED = re.compile(rf"{FOLDER}/.*\.json[#.].+\Z")


@dataclass(frozen=True)
class Commit:
    """A file of the log. digest: its SHA-256."""

    version: int
    text: bytes
    digest: str

    @property
    def name(self) -> str:
        """The file."""
        return name_of(self.version)

    @cached_property
    def actions(self) -> list[dict[str, Any]] | None:
        """What the file says, an action a line; None where it is cut off or no such file at all."""
        try:
            said = [json.loads(line) for line in self.text.decode("utf-8").splitlines()]
        except ValueError:
            return None
        if not said or not all(isinstance(action, dict) for action in said) or "commitInfo" not in said[0]:
            return None
        counted = said[0]["commitInfo"].get(ACTIONS)
        if counted is None:
            # What no run wrote: a table made, a column added. Of what an old program wrote the end alone can be judged.
            wanted = _WANTED.get(str(said[0]["commitInfo"].get("operation")), set())
            return said if wanted <= {name for action in said for name in action} else None
        return said if len(said) - 1 == int(counted) else None

    @property
    def info(self) -> Mapping[str, Any]:
        """What the commit says of itself; empty where it cannot be read."""
        return self.actions[0]["commitInfo"] if self.actions else {}

    @property
    def removed(self) -> set[str]:
        """The segments that it puts out of force."""
        return {action["remove"]["path"] for action in self.actions or [] if "remove" in action}

    @property
    def added(self) -> set[str]:
        """The segments that it puts in force."""
        return {action["add"]["path"] for action in self.actions or [] if "add" in action}


@dataclass(frozen=True)
class Head:
    """What was known when the last commit was on the disk. digests: of the last log file and of the checkpoints."""

    version: int = -1
    digests: Mapping[str, str] = field(default_factory=dict)


def name_of(version: int) -> str:
    """The log file of a version."""
    return f"{FOLDER}/{version:020d}.json"


def versions(names: Mapping[str, int]) -> list[int]:
    """The versions that the files of a store have a log file of, ascending."""
    return sorted(int(found[1]) for found in map(_COMMIT.match, names) if found)


def checkpoints(names: Mapping[str, int]) -> dict[int, str]:
    """The checkpoints among the files of a store, by version."""
    return {int(found[1]): name for name in names if (found := _CHECKPOINT.match(name))}


def is_unnamed_commit(name: str) -> bool:
    """Whether a file is a commit that was killed before it had its name."""
    return _UNNAMED.match(name) is not None


def is_torn(name: str) -> bool:
    """Whether a file was set aside as cut off by a loss of power."""
    return name.startswith(f"{FOLDER}/torn-")


def read_commit(place: Place, version: int) -> Commit:
    """Reads a log file. Raises: StoreError where it cannot be."""
    text = _read(place, name_of(version))
    return Commit(version, text, digest_of(text))


def read_commits(place: Place, last: int, first: int = 0) -> Iterator[Commit]:
    """Reads the log files from the last one back to the first."""
    for version in range(last, first - 1, -1):
        yield read_commit(place, version)


def read_head(place: Place) -> Head | None:
    """Reads the head; an empty one where there is none, None where it is not what was written.

    A reader takes the head before it looks for files: then no commit that it knows can be missing among them.
    """
    try:
        said = json.loads(place.read(HEAD).decode("utf-8"))
    except FileNotFoundError:
        return Head()
    except (OSError, ValueError):
        return None
    try:
        head = Head(int(said["version"]), dict(said["sha256"]))
        return head if said["self"] == _own_digest(head) else None
    except (ValueError, KeyError, TypeError):
        return None


def write_head(place: Place, head: Head) -> None:
    """Writes the head, whole or not at all. Raises: OSError."""
    said = {"version": head.version, "sha256": dict(sorted(head.digests.items())), "self": _own_digest(head)}
    place.put(HEAD, (json.dumps(said, indent=1) + "\n").encode("ascii"))


def last_version(place: Place, names: Mapping[str, int], head: Head) -> tuple[int, str | None]:
    """The version that the store is at, -1 where nothing is committed, and the name of a torn log file after it.

    A last log file that cannot be read was cut off by a loss of power before its run was reported as done, unless the
    head knows it. A copy brings the last log file first: until the others have followed it is at the version before
    them. Raises: StoreError where files are missing, or the head's own is not what was written.
    """
    known = versions(names)
    if COPY in names:
        known = [version for place_in_row, version in enumerate(known) if place_in_row == version]
    last = known[-1] if known else -1
    if known and known != list(range(len(known))):
        missing = next(version for version in range(last) if version not in set(known))
        raise _corrupt("a file of the log is missing", place.shown(name_of(missing)))
    if head.version > last:
        raise _corrupt("a file of the log is missing", place.shown(name_of(last + 1)))
    if last < 0:
        return -1, None
    commit = read_commit(place, last)
    if head.version == last and head.digests.get(commit.name) != commit.digest:
        raise _corrupt("a file of the log is not what was written", place.shown(commit.name))
    if commit.actions is None:
        return last - 1, commit.name
    return last, None


def verify_tail(place: Place, names: Mapping[str, int], last: int, head: Head) -> None:
    """Holds to their digests what opening the store at version `last` reads: the checkpoint and the files after it.

    Raises: StoreError naming the file that is not what was written.
    """
    for name, what in broken_checkpoints(place, names, head):
        if name in names:  # one that is gone is not read
            raise StoreError(
                what,
                where=place.shown(name),
                mend="delete the checkpoints and _last_checkpoint: the log is whole, the next run makes new ones",
            )
    start = max((version for version in checkpoints(names) if version <= last), default=0)
    for name, what in broken_files(place, last, start, head):
        raise _corrupt(what, place.shown(name))


def broken_files(place: Place, last: int, first: int, head: Head) -> Iterator[tuple[str, str]]:
    """Names the log files from `first` to `last` that are not what was written, with what is wrong with each."""
    expected = head.digests.get(name_of(last)) if head.version == last else None
    for commit in read_commits(place, last, first):
        if expected is not None and commit.digest != expected:
            yield commit.name, "a file of the log is not what was written"
            expected = None
        elif commit.actions is None:
            yield commit.name, "a file of the log is cut off"
            expected = None
        else:
            expected = commit.info.get(PREVIOUS)


def broken_checkpoints(place: Place, names: Mapping[str, int], head: Head) -> Iterator[tuple[str, str]]:
    """Names the checkpoints, and the file that points to the last, that are not what was written or are gone."""
    for name, digest in head.digests.items():
        if name == name_of(head.version):
            continue
        if name not in names:
            yield name, "a checkpoint of the log is missing"
        elif digest_of(_read(place, name)) != digest and not _is_newer(place, names, head, name):
            yield name, "a checkpoint of the log is not what was written"


def digest_of(content: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _is_newer(place: Place, names: Mapping[str, int], head: Head, name: str) -> bool:
    """Whether the last checkpoint was made after the head was: then the head cannot know it."""
    if name != LAST_CHECKPOINT:
        return False
    try:
        version = int(json.loads(_read(place, name))["version"])
    except (ValueError, KeyError, TypeError):
        return False
    found = checkpoints(names).get(version)
    return found is not None and found not in head.digests and version >= head.version


def _own_digest(head: Head) -> str:
    return digest_of(json.dumps([head.version, sorted(head.digests.items())]).encode("ascii"))


def _read(place: Place, name: str) -> bytes:
    try:
        return place.read(name)
    except OSError as error:
        raise StoreError(
            f"a file of the log cannot be read ({error.strerror or error})",
            where=place.shown(name),
            mend="restore the store from a back-up",
        ) from None


def _corrupt(what: str, where: str) -> StoreError:
    return StoreError(what, where=where, mend="restore the store from a back-up: it was changed since it was written")
