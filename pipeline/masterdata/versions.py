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

from pipeline.errors import InputError, RunError, StoreBusyError, UsageError
from pipeline.ledger.disk import make_durable
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
    if version_in_force(directory) is None and any(rows.height for rows in before.values()):
        _put(directory, {"made_by": "start"}, lambda folder: _write_tables(folder, before))
    return _put(directory, about, lambda folder: _write_tables(folder, tables))


def add_copy(directory: Path, number: int, about: Mapping[str, Any]) -> int:
    """Puts what an earlier version held into force again, as a new one, byte for byte. `locked` is held.

    Raises: UsageError where there is no such version.
    """
    source = _folder(directory, number)

    def copy(folder: Path) -> None:
        for path in sorted(source.iterdir()):
            if path.name != ABOUT:
                _write(folder / path.name, path.read_bytes())

    return _put(directory, about, copy)


def history(directory: Path) -> list[dict[str, Any]]:
    """What each version that was in force says of itself, the first one first: `version` and about.json.

    They are found from the one in force on, each by the one that it followed; where old ones were taken away by hand,
    the history begins after them.
    """
    told: list[dict[str, Any]] = []
    number = version_in_force(directory)
    while number is not None and (directory / VERSIONS / version_name(number) / ABOUT).is_file():
        told.append(about(directory, number))
        number = told[-1]["follows"]
    return told[::-1]


def about(directory: Path, number: int) -> dict[str, Any]:
    """What a version says of itself: its number, the one that it followed, when, from what and by whom it was made.

    Raises: UsageError where there is none; InputError where it was changed by hand and cannot be read.
    """
    path = _folder(directory, number) / ABOUT
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return {"version": number, "follows": said["follows"], "made_by": said["made_by"], **said}
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"what the version says of itself cannot be read ({type(error).__name__}: {error})",
            where=str(path),
            mend='bring the file back, or write {"follows": null, "made_by": "start", "made_at": "2026-01-31"} into it',
        ) from None


def read_version(directory: Path, number: int) -> dict[str, pl.DataFrame]:
    """Reads the tables of a version as they were given. Raises: UsageError where there is none."""
    return read_as_given(_folder(directory, number), required=())


def _folder(directory: Path, number: int) -> Path:
    folder = directory / VERSIONS / version_name(number)
    if not (folder / ABOUT).is_file():
        raise UsageError(
            f"there is no version {number}", where=str(directory), mend="`lettrage reference history` lists them"
        )
    return folder


def _put(directory: Path, about: Mapping[str, Any], fill: Callable[[Path], None]) -> int:
    """Writes a version and puts it into force; its number is one that no version has or had a folder by."""
    versions = directory / VERSIONS
    try:
        versions.mkdir(exist_ok=True)
        make_durable(directory)
        before = version_in_force(directory)
        numbers = [int(path.name) for path in versions.iterdir() if path.name.isdigit()]
        number = max([before or 0, *numbers]) + 1
        for left in versions.glob(f"{_UNFINISHED}*"):
            # Of a sync that was cut off: it was never whole.
            shutil.rmtree(left)
        unfinished = versions / f"{_UNFINISHED}{version_name(number)}"
        unfinished.mkdir()
        fill(unfinished)
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        said = {"follows": before, "made_at": made_at, **about}
        _write(unfinished / ABOUT, (json.dumps(said, ensure_ascii=False, indent=2) + "\n").encode())
        make_durable(unfinished)
        # Held to the rules of every reference once more, as the next run will read it.
        read_as_given(unfinished)
        unfinished.rename(versions / version_name(number))
        make_durable(versions)
        pointer = directory / f"{_UNFINISHED}{CURRENT}"
        _write(pointer, f"{version_name(number)}\n".encode())
        pointer.replace(directory / CURRENT)
        make_durable(directory)
    except OSError as error:
        raise RunError(
            f"the next version could not be written ({error.strerror or error})",
            where=str(directory),
            mend="mend that and give the command again; the version in force is the one before",
        ) from None
    return number


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
