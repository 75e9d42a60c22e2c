"""Rows to files: the writer of each kind, and the file that appears whole."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.exports import columns
from pipeline.exports.write_delimited import write_delimited
from pipeline.exports.write_fixed import write_fixed
from pipeline.exports.write_xlsx import write_xlsx

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from pipeline.exports.expressions import Typed
    from pipeline.exports.format import LoadedFormat

_HEAD = 4_096
#: in bytes: with the dot and the ending of a file that is still written, a name has at most 255
_LONGEST_NAME = 200
_LONGEST_ENDING = 10
_DIGEST = 8


@dataclass(frozen=True)
class File:
    """A file of an export. head: its first bytes. path: where it is; none for what a preview only shows."""

    name: str
    size: int
    sha256: str
    head: bytes
    path: Path | None = None
    _content: bytes = b""

    @property
    def content(self) -> bytes:
        """All of it."""
        return self._content if self.path is None else self.path.read_bytes()


class Sink:
    """A file while it is written: into a folder under a name that nobody looks for, or into memory for a preview.

    keep: without it and without a folder, what is written is counted and forgotten.
    """

    def __init__(self, folder: Path | None, name: str, *, keep: bool = True) -> None:
        self.name = name
        self._is_kept = keep or folder is not None
        self._path = None if folder is None else folder / f".{name}.writing"
        self._target: BinaryIO = io.BytesIO() if self._path is None else self._path.open("wb")
        self._digest = hashlib.sha256()
        self._size = 0
        self._head = b""

    def write(self, data: bytes) -> int:
        """Adds bytes."""
        if len(self._head) < _HEAD:
            self._head += bytes(data[: _HEAD - len(self._head)])
        self._digest.update(data)
        self._size += len(data)
        return self._target.write(data) if self._is_kept else len(data)

    def flush(self) -> None:
        """Does nothing: bytes are made durable when the file is closed."""

    def close(self) -> None:
        """Makes what was written durable, under its hidden name still."""
        if self._path is not None and not self._target.closed:
            self._target.flush()
            os.fsync(self._target.fileno())
            self._target.close()

    def put(self) -> File:
        """Gives the file its name: it appears whole, in place of what had that name."""
        self.close()
        if self._path is None:
            return self.file()
        path = self._path.with_name(self.name)
        self._path.replace(path)
        return self.file(path)

    def file(self, path: Path | None = None) -> File:
        """What was written."""
        content = self._target.getvalue() if isinstance(self._target, io.BytesIO) else b""
        return File(self.name, self._size, self._digest.hexdigest(), self._head, path, content)

    def discard(self) -> None:
        """Forgets what was written."""
        self._target.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write(
    loaded: LoadedFormat,
    batches: Iterable[pl.DataFrame],
    facts: Mapping[str, Any],
    totals: list[dict[str, Any]],
    sink: Sink,
) -> None:
    """Writes rows (the columns of the format, in its order) as the format says: the same bytes for the same rows.

    facts: the columns of the file itself. Raises: ExportError naming the field and the row of a value that does not
    fit or cannot be encoded.
    """
    target: BinaryIO = sink  # type: ignore[assignment]  # it is written to and flushed, nothing else
    if loaded.format.kind == "xlsx":
        write_xlsx(loaded, batches, totals, target)
        return
    heading = [evaluate(line, facts) for line in loaded.heading]
    {"delimited": write_delimited, "fixed": write_fixed}[loaded.format.kind](loaded, batches, heading, target)


def file_name(loaded: LoadedFormat, facts: Mapping[str, Any]) -> str:
    """The name of a file, such as every file system takes it."""
    return safe_name(evaluate(loaded.file, facts))


def safe_name(name: str) -> str:
    """A name without what a file system might not take; two names never become one.

    Where something is replaced or cut, a digest of the whole name stands for it: order A/1 is not order A_1.
    """
    plain = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in name).strip(". ") or "export"
    if plain == name and len(plain.encode()) <= _LONGEST_NAME:
        return plain
    stem, dot, ending = plain.rpartition(".")
    if not stem or len(ending) > _LONGEST_ENDING:
        stem, dot, ending = plain, "", ""
    stem = stem.encode()[: _LONGEST_NAME - _LONGEST_ENDING - _DIGEST - 2].decode(errors="ignore")
    return f"{stem}-{hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]}{dot}{ending}"


def evaluate(text: Typed, facts: Mapping[str, Any]) -> str:
    """A text about the file itself."""
    row = pl.DataFrame(
        {name: [facts.get(name)] for name in columns.FILES},
        schema_overrides={name: _POLARS[column.type] for name, column in columns.FILES.items()},
    )
    return str(row.with_columns(text.value.alias("made"))["made"][0])


_POLARS: dict[str, Any] = {"text": pl.String, "a date": pl.Date, "a number": pl.Int64}
