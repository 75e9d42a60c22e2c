"""References and drops for tests, as text."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.masterdata.sync import SyncResult, sync
from pipeline.masterdata.versions import add_version
from pipeline.stage.reference import read_as_given, read_reference
from tests.support import reference, rows, write

ON = date(2026, 3, 10)


def company(directory: Path, *, is_plain: bool = False) -> Path:
    """A reference directory: that of tests/support.py, with a third level of tasks, as version 1 or plain."""
    target = directory / "reference"
    shutil.copytree(_company(is_plain=is_plain), target)
    return target


@cache
def _company(*, is_plain: bool) -> Path:
    """The directory that the others are copies of; made once."""
    home = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    tables = reference()
    tables["axes"] += rows("""
        axis name  parent_axis required
        task Tasks project     false
    """)
    tables["sections"] += rows("""
        axis section name parent_section active_from active_to
        task T1      One  P1             -           -
    """)
    plain = write(home / "plain", tables)
    if is_plain:
        return plain
    frames = read_as_given(plain)
    (home / "versioned").mkdir()
    add_version(home / "versioned", frames, {"made_by": "start"}, before=_NOTHING)
    return home / "versioned"


_NOTHING: dict[str, pl.DataFrame] = {}


def drop(directory: Path, name: str = "drop", **tables: str) -> Path:
    """A folder of a drop; tables as text, aligned."""
    return write(directory / name, {table: rows(text) for table, text in tables.items()})


def lines_of(directory: Path, name: str, text: str) -> Path:
    """A file of a drop, as it stands."""
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def brought(home: Path, given: Path, **wishes: Any) -> SyncResult:
    """Syncs a drop into home/reference."""
    return sync(home / "reference", given, **{"on": ON, **wishes})


def found(rejected: pl.DataFrame) -> list[tuple[str, int, str, str]]:
    """What was rejected: table, line, column and why."""
    return [(row["table_name"], row["line"], row["column_name"] or "", row["why"]) for row in rejected.to_dicts()]


def said(result: SyncResult) -> list[tuple[str, int, str, str]]:
    """What a sync rejected."""
    return found(result.findings)


def changed(result: SyncResult) -> list[tuple[str, str, str, str, str, str]]:
    """The diff, empty cells as ''."""
    return [tuple("" if cell is None else cell for cell in row) for row in result.diff.rows()]  # type: ignore[misc]


def table(home: Path, name: str) -> pl.DataFrame:
    """A table as a run reads it."""
    return read_reference(home / "reference")[name]


def row(home: Path, name: str, **key: str) -> dict[str, Any]:
    """A row of a table as a run reads it."""
    found = table(home, name).filter(*(pl.col(column) == value for column, value in key.items())).to_dicts()
    assert len(found) == 1, found
    return found[0]


def is_untouched(home: Path) -> bool:
    """Whether no version has come after the first."""
    return [path.name for path in (home / "reference" / "versions").iterdir()] == ["000001"]
