"""What an installation keeps beside its ledger: deliveries under way, schedules, API keys, jobs. A SQLite file.

All of it may be lost without the ledger losing anything: what was delivered is in the ledger too. Its tables stand in
the .sql files beside, one a concern.
"""

from __future__ import annotations

import sqlite3
import time
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

    Raises: StateError where it cannot be opened or is broken, and where a statement within fails.
    """
    path = folder / FILE
    connection: sqlite3.Connection | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        _write_ahead(connection)
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
    except sqlite3.Error as error:
        raise StateError(
            f"the state cannot be read or written ({error})", where=str(path), mend="mend that, then give it again"
        ) from None
    finally:
        connection.close()


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Has readers and a writer not wait for each other; a new file changes to that while nobody else has it open.

    SQLite does not wait here by itself: two processes that make a state at once would end one of them.
    """
    until = time.monotonic() + _WAIT
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is written inside is written, or nothing; no other process writes meanwhile."""
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        # A commit that fails leaves the transaction open.
        if connection.in_transaction:
            connection.execute("rollback")
        raise
