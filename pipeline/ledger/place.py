"""Where a store's files are: what the store asks of a directory (disk.py) and of a bucket (bucket.py) alike.

Names are relative to the store, with `/` in them. What has its name is whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pipeline.errors import UsageError
from pipeline.ledger.disk import Disk
from pipeline.ledger.log import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager

#: how the address of a bucket begins
BUCKET = "s3://"


class Place(Protocol):
    """The files of a store. `str()` of it is what people call it."""

    @property
    def address(self) -> str:
        """What deltalake opens."""

    @property
    def options(self) -> Mapping[str, str]:
        """What deltalake needs besides the address."""

    @property
    def readable_roots(self) -> list[Path]:
        """The directories that SQL over this store reads from."""

    @property
    def has_lock(self) -> bool:
        """Whether `locked` keeps every other writer out; where it does not, the log alone decides who wins."""

    @property
    def checkpoint_every(self) -> int:
        """After how many commits the log gets another checkpoint, so that opening the store reads few files."""

    @property
    def writer_mark(self) -> str:
        """What tells this writer's segments from those of another who writes the same rows: digits, or nothing."""

    def at(self, name: str) -> str:
        """What a reader of Parquet files opens, once `holds` has found it good."""

    def shown(self, name: str) -> str:
        """What a person calls a file."""

    def told(self, error: BaseException) -> str:
        """What an error says, in a line that any person may read."""

    def exists(self) -> bool:
        """Whether there is anything of that name."""

    def is_directory(self) -> bool:
        """Whether what is there can hold a store."""

    def sizes(self) -> dict[str, int]:
        """Every file of the place, at any depth, with its size."""

    def read(self, name: str) -> bytes:
        """The content of a file. Raises: OSError."""

    def digest(self, name: str) -> str:
        """SHA-256 of the content of a file as the place has it now, in hexadecimal. Raises: OSError."""

    def holds(self, name: str, digest: str | None) -> bool:
        """Whether what a reader would open has this SHA-256; where it can be brought from the place, it is."""

    def modified(self, name: str) -> float:
        """When a file was written, in seconds since 1970. Raises: OSError."""

    def begin(self, folder: str) -> Path:
        """A path of a name that nobody looks for, to write a new file to. Raises: OSError."""

    def finish(self, path: Path, name: str) -> None:
        """Gives a file that was begun its name, once its content is safe. Raises: OSError."""

    def put(self, name: str, content: bytes) -> None:
        """Writes a small file, whole or not at all, in place of what had its name. Raises: OSError."""

    def durable(self, names: Iterable[str], *, content: bool = False) -> None:
        """Makes the names of files last; with `content` what they hold too. Raises: OSError."""

    def remove(self, names: Iterable[str]) -> None:
        """Removes files; one that is gone already is as good."""

    def prune(self) -> None:
        """Removes copies on this machine of what the place had no more when its files were last listed."""

    def set_aside(self, name: str) -> str:
        """Gives a file a name by which nobody takes it for what it was; returns that name. Raises: OSError."""

    def locked(self, wait: float) -> AbstractContextManager[None]:
        """Keeps every other writer of this machine out, where the place can. Raises: StoreBusyError, StoreError."""

    def is_lock(self, name: str) -> bool:
        """Whether a file is there for the place's own sake: the lock, or what stands for it."""


def refuse_inside_store(out: Path) -> None:
    """Raises: UsageError where a file or directory that is to be written is a ledger's own, or inside of one.

    What is there and not of the ledger a run may clear away, and a place with other files in it is no new ledger.
    """
    path = out.resolve()
    for folder in (path, *path.parents):
        if (folder / FOLDER).is_dir():
            raise UsageError(
                f"this is inside a ledger ({folder}), where no other files may be",
                where=str(out),
                mend="name a place outside of it",
            )


def place_of(where: Path | str) -> Place:
    """The place that a person names: a directory, or `s3://bucket/prefix`.

    Raises: UsageError where the address of a bucket cannot be one, or what reads buckets is not installed.
    """
    if isinstance(where, str) and where.startswith(BUCKET):
        from pipeline.ledger.bucket import Bucket  # noqa: PLC0415 - its library is an extra

        return Bucket.of(where)
    return Disk(Path(where))
