"""The versions of a reference: each written whole beside the others, then put into force by one small file.

Killed at any moment, the version in force is the one before or the one after. A version is never changed and never
deleted here; what a sync left unfinished is cleared away by the next. Each says in about.json where it came from.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl
from filelock import FileLock, Timeout

from pipeline.errors import RunError, StoreBusyError, UsageError
from pipeline.stage.reference import read_as_given
from pipeline.stage.reference_place import CURRENT, VERSIONS, tables_in_force, version_in_force, version_name
from schemas import REFERENCE
from schemas.table import columns, key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

ABOUT = "about.json"
_LOCK = ".lock"
_UNFINISHED = ".unfinished-"
#: seconds that a sync waits for another
_WAIT = 300.0


@contextmanager
def locked(directory: Path, *, wait: float = _WAIT) -> Iterator[None]:
    """Keeps every other sync of the reference out. Raises: StoreBusyError where one goes on for too long."""
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(directory / _LOCK, timeout=wait):
            yield
    except Timeout:
        raise StoreBusyError(
            "another sync is writing this reference",
            where=str(directory),
            mend="give the command again when it is done",
        ) from None


def read_in_force(directory: Path, notes: list[str] | None = None) -> dict[str, pl.DataFrame]:
    """Reads the tables in force as they were given, without defaults; empty ones where there is nothing yet.

    Raises: as pipeline.stage.reference.read_reference, but for tables that are missing.
    """
    if not directory.exists():
        return {
            name: pl.DataFrame(schema={column.name: column.polars_type for column in columns(model)})
            for name, model in REFERENCE.items()
        }
    return read_as_given(tables_in_force(directory), notes, required=())


def add_version(
    directory: Path,
    tables: Mapping[str, pl.DataFrame],
    about: Mapping[str, Any],
    *,
    before: Mapping[str, pl.DataFrame],
) -> int:
    """Writes a version and puts it into force; returns its number. `locked` is held.

    before: the tables in force, which become version 1 first where the directory is a plain one.
    Raises: RunError where it cannot be written, or does not read back: the version in force is then the one before.
    """
    number = version_in_force(directory)
    if number is None and any(rows.height for rows in before.values()):
        number = _put(directory, 1, {"made_by": "start"}, lambda folder: _write_tables(folder, before))
    return _put(directory, (number or 0) + 1, about, lambda folder: _write_tables(folder, tables))


def add_copy(directory: Path, number: int, about: Mapping[str, Any]) -> int:
    """Puts what an earlier version held into force again, as a new one, byte for byte. `locked` is held.

    Raises: UsageError where there is no such version.
    """
    before = version_in_force(directory)
    source = directory / VERSIONS / version_name(number)
    if before is None or not 0 < number <= before or not source.is_dir():
        raise UsageError(
            f"there is no version {number}", where=str(directory), mend="`lettrage reference history` lists them"
        )

    def copy(folder: Path) -> None:
        for path in sorted(source.iterdir()):
            if path.name != ABOUT:
                _write(folder / path.name, path.read_bytes())

    return _put(directory, before + 1, about, copy)


def history(directory: Path) -> list[dict[str, Any]]:
    """What each version says of itself, the first one first; those after the one in force were never in force."""
    last = version_in_force(directory) or 0
    told = []
    for path in sorted((directory / VERSIONS).glob(f"[0-9]*/{ABOUT}")):
        number = int(path.parent.name)
        if number <= last:
            told.append({"version": number, **json.loads(path.read_text(encoding="utf-8"))})
    return told


def about_in_force(directory: Path) -> dict[str, Any] | None:
    """What the version in force says of itself, None where there is none."""
    number = version_in_force(directory)
    if number is None:
        return None
    text = (directory / VERSIONS / version_name(number) / ABOUT).read_text(encoding="utf-8")
    return {"version": number, **json.loads(text)}


def read_version(directory: Path, number: int) -> dict[str, pl.DataFrame]:
    """Reads the tables of a version as they were given. Raises: UsageError where there is none."""
    folder = directory / VERSIONS / version_name(number)
    if not 0 < number <= (version_in_force(directory) or 0) or not folder.is_dir():
        raise UsageError(
            f"there is no version {number}", where=str(directory), mend="`lettrage reference history` lists them"
        )
    return read_as_given(folder, required=())


def _put(directory: Path, number: int, about: Mapping[str, Any], fill: Callable[[Path], None]) -> int:
    versions = directory / VERSIONS
    try:
        versions.mkdir(exist_ok=True)
        _sync_folder(directory)
        _clear(versions, number)
        unfinished = versions / f"{_UNFINISHED}{version_name(number)}"
        unfinished.mkdir()
        fill(unfinished)
        said = {"made_at": datetime.now(UTC).isoformat(timespec="seconds"), **about}
        _write(unfinished / ABOUT, (json.dumps(said, ensure_ascii=False, indent=2) + "\n").encode())
        _sync_folder(unfinished)
        # Held to the rules of every reference once more, as the next run will read it.
        read_as_given(unfinished)
        unfinished.rename(versions / version_name(number))
        _sync_folder(versions)
        pointer = directory / f"{_UNFINISHED}{CURRENT}"
        _write(pointer, f"{version_name(number)}\n".encode())
        pointer.replace(directory / CURRENT)
        _sync_folder(directory)
    except OSError as error:
        raise RunError(
            f"version {number} could not be written ({error.strerror or error})",
            where=str(directory),
            mend="mend that and give the command again; the version in force is the one before",
        ) from None
    return number


def _clear(versions: Path, number: int) -> None:
    """Clears away what a sync that was cut off left: it was never in force."""
    for path in versions.iterdir():
        was_begun = path.name.startswith(_UNFINISHED)
        if was_begun or (path.name.isdigit() and int(path.name) >= number):
            shutil.rmtree(path)


def _write_tables(folder: Path, tables: Mapping[str, pl.DataFrame]) -> None:
    """Writes every table as CSV, rows by key, also those without rows."""
    for name, model in REFERENCE.items():
        path = folder / f"{name}.csv"
        with path.open("wb") as file:
            tables[name].sort(key(model), nulls_last=True).write_csv(file)
            file.flush()
            os.fsync(file.fileno())


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
