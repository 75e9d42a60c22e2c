"""What an installation keeps beside its ledger: deliveries under way, schedules, API keys, jobs. A SQLite file.

All of it may be lost without the ledger losing anything: what was delivered is in the ledger too. Its tables stand in
the .sql files beside, one a concern.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = "lettrage.sqlite"
#: seconds that a statement waits while another process writes
_WAIT = 30.0
HERE = Path(__file__).parent


@contextmanager
def opened(folder: Path) -> Iterator[sqlite3.Connection]:
    """Opens the state, made where it is not there. Rows come as sqlite3.Row; a statement alone is its own transaction.

    Raises: StateError where it cannot be opened or is broken.
    """
    path = folder / FILE
    connection: sqlite3.Connection | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute("pragma foreign_keys = on")
        for tables in sorted(HERE.glob("*.sql")):
            connection.executescript(tables.read_text(encoding="utf-8"))
    except (sqlite3.Error, OSError) as error:
        if connection is not None:
            connection.close()
        raise StateError(
            f"the state cannot be opened ({error})",
            where=str(path),
            mend="mend that; what was delivered is in the ledger too",
        ) from None
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is written inside is written, or nothing; no other process writes meanwhile."""
    connection.execute("begin immediate")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")
