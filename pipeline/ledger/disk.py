"""Where a store's files are: a directory. Everything that touches its disk goes through here.

Names are relative to the store, with `/` in them on every system. What is written under its own name is on the disk,
whole, before the name is there; `durable` makes the names themselves last (POSIX: fsync of a file says nothing of the
directory that names it).
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import StoreBusyError, StoreError, UsageError, first_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_LOCK = ".lock"
#: what a file is called until it is whole
_UNFINISHED = ".writing-"
_OWN_FOLDER = re.compile(r"_delta_log\Z|kind=")
#: what deltalake reads otherwise than it writes it: it takes `\\` for `/`, and `%41` for `A` once too often
_UNUSABLE = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]|%[0-9A-Fa-f]{2}")


class Disk:
    """A directory as the place of a store."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._refuse_unusable()

    def __str__(self) -> str:
        return str(self.root)

    @property
    def address(self) -> str:
        """What deltalake opens: of a path it takes `#` and `?` for the end."""
        return self.root.as_uri()

    @property
    def options(self) -> Mapping[str, str]:
        """What deltalake needs besides the address."""
        return {}

    @property
    def readable_roots(self) -> list[Path]:
        """The directories that SQL over this store reads from."""
        return [self.root]

    @property
    def has_lock(self) -> bool:
        """Whether `locked` keeps every other writer out."""
        return True

    @property
    def checkpoint_every(self) -> int:
        """After how many commits the log gets another checkpoint."""
        return 50

    @property
    def writer_mark(self) -> str:
        """What tells this writer's segments from another's: nothing, there is no other."""
        return ""

    def at(self, name: str) -> str:
        """What a reader of Parquet files opens."""
        return str(self.root / name)

    def shown(self, name: str) -> str:
        """What a person calls a file."""
        return str(self.root / name)

    def told(self, error: BaseException) -> str:
        """What an error says, in a line."""
        return first_line(error)

    def exists(self) -> bool:
        """Whether there is a directory, or anything else of that name."""
        return self.root.exists()

    def is_directory(self) -> bool:
        """Whether what is there can hold a store."""
        return self.root.is_dir()

    def sizes(self) -> dict[str, int]:
        """Every file of the store, with its size; a link is what it leads to.

        Only the folders of the log and of the kinds are looked into. Another one is there by its name, with a `/` after
        it: what it holds is not the store's, may not be readable, and may lead back here. The log is looked at before
        the segments: those that it names are there then, whoever writes meanwhile. Raises: OSError.
        """
        found: dict[str, int] = {}
        folders = []
        for entry in self._entries(""):
            if not _is_folder(entry):
                found |= _size(entry, entry.name)
            elif _OWN_FOLDER.match(entry.name):
                folders.append(entry.name)
            else:
                found[f"{entry.name}/"] = 0
        for folder in sorted(folders):  # `_` before `k`: the log first
            for entry in self._entries(folder):
                if not _is_folder(entry):
                    found |= _size(entry, f"{folder}/{entry.name}")
        return found

    def read(self, name: str) -> bytes:
        """The content of a file. Raises: OSError."""
        return (self.root / name).read_bytes()

    def digest(self, name: str) -> str:
        """SHA-256 of the content of a file, in hexadecimal. Raises: OSError."""
        with (self.root / name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def holds(self, name: str, digest: str | None) -> bool:
        """Whether the content of a file has this SHA-256."""
        try:
            return self.digest(name) == digest
        except OSError:
            return False

    def modified(self, name: str) -> float:
        """When a file was written, in seconds since 1970. Raises: OSError."""
        return (self.root / name).stat().st_mtime

    def begin(self, folder: str) -> Path:
        """A path of a name that nobody looks for, to write a new file to. Raises: OSError."""
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        return self.root / folder / f"{_UNFINISHED}{uuid.uuid4().hex}"

    def finish(self, path: Path, name: str) -> None:
        """Gives a file that was begun its name, once its content is on the disk. Raises: OSError."""
        make_durable(path)
        path.replace(self.root / name)

    def put(self, name: str, content: bytes) -> None:
        """Writes a small file, whole or not at all, in place of what had its name. Raises: OSError."""
        folder = name.rpartition("/")[0]
        path = self.begin(folder)
        try:
            path.write_bytes(content)
            self.finish(path, name)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        make_durable(self.root / folder)

    def durable(self, names: Iterable[str], *, content: bool = False) -> None:
        """Makes the names of files last, their folders up to the store's own parent; with `content` what they hold too.

        Raises: OSError.
        """
        folders = {self.root, self.root.parent}
        for name in names:
            path = self.root / name
            if content:
                make_durable(path)
            folders |= {self.root / parent for parent in Path(name).parents}
        for folder in sorted(folders, reverse=True):  # what is inside first
            make_durable(folder)

    def remove(self, names: Iterable[str]) -> None:
        """Removes files; one that is gone already is as good."""
        for name in names:
            (self.root / name).unlink(missing_ok=True)

    def prune(self) -> None:
        """There are no copies."""

    def set_aside(self, name: str) -> str:
        """Gives a file a name by which nobody takes it for what it was; returns that name. Raises: OSError."""
        folder, _, last = name.rpartition("/")
        aside = f"{folder}/torn-{last}-{uuid.uuid4().hex[:8]}"
        (self.root / name).replace(self.root / aside)
        make_durable(self.root / folder)
        return aside

    @contextmanager
    def locked(self, wait: float) -> Iterator[None]:
        """Keeps every other writer of this machine out. The system drops the lock of a process that dies.

        Raises: StoreBusyError where another process holds it for longer than `wait` seconds, StoreError where the place
        cannot be written.
        """
        from filelock import FileLock, Timeout  # noqa: PLC0415 - readers take no lock

        lock = FileLock(self.root / _LOCK)
        try:
            self._make_root()
            lock.acquire(timeout=wait)
        except Timeout:  # which is an OSError
            raise StoreBusyError(
                "another process is writing this ledger", where=str(self.root / _LOCK), mend="try again when it is done"
            ) from None
        except OSError as error:
            raise StoreError(
                f"the store cannot be written ({error.strerror or error})",
                where=str(self.root),
                mend="mend its rights, then give the command again: the ledger is as it was",
            ) from None
        try:
            yield
        finally:
            lock.release()

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            return list(os.scandir(self.root / folder))
        except FileNotFoundError:  # a folder that goes while it is looked at is none
            return []

    def _refuse_unusable(self) -> None:
        """Raises: UsageError for a path that deltalake takes for another one, or for none."""
        found = _UNUSABLE.search(self.root.as_posix())
        if found is not None:
            raise UsageError(
                f"no ledger can be under a path with {found.group()!a} in it: its log could not be opened",
                where=ascii(str(self.root)),
                mend="name a directory whose path has no backslash, no control character, "
                "and no % before two hexadecimal digits",
            )

    def _make_root(self) -> None:
        """Makes the directory and those that it is in, and makes their names last. Raises: OSError."""
        missing = [path for path in (self.root, *self.root.parents) if not path.exists()]
        self.root.mkdir(parents=True, exist_ok=True)
        for path in missing:
            make_durable(path.parent)

    def is_lock(self, name: str) -> bool:
        """Whether a file is the place's lock."""
        return name == _LOCK


def is_unfinished(name: str) -> bool:
    """Whether a file was begun and never finished: nobody looks for it, and the next writer removes it."""
    return name.rpartition("/")[2].startswith(_UNFINISHED)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads nowhere
        return False


def _size(entry: os.DirEntry[str], name: str) -> dict[str, int]:
    """The size of a file by its name; nothing for one that has gone, or for a link that leads nowhere."""
    try:
        return {name: entry.stat().st_size}
    except OSError:
        return {}


def make_durable(path: Path) -> None:
    """Makes a file's content durable, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
