"""The state as the server uses it: a connection that reads and one that writes, each for one thread at a time."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from pipeline.errors import StateError
from pipeline.state.state import opened, transaction

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Desk:
    """What endpoints and the writer keep in the state. What is written waits for the disk; what is read never does."""

    def __init__(self, folder: Path, reader: sqlite3.Connection, writer: sqlite3.Connection) -> None:
        self.folder = folder
        self._reader, self._writer = reader, writer
        self._reads, self._writes = threading.Lock(), threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Gives a connection to read by, briefly. Raises: StateError where the state cannot be read."""
        with self._reads, _said():
            yield self._reader

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Gives a connection to write by: all that is written inside, or nothing. Raises: StateError likewise."""
        with self._writes, _said():
            if self._writer.in_transaction:  # what could not be committed must not keep out what comes after it
                self._writer.rollback()
            with transaction(self._writer):
                yield self._writer


@contextmanager
def desk(folder: Path) -> Iterator[Desk]:
    """Opens the state for a server. Raises: StateError where it cannot be opened."""
    with ExitStack() as stack:
        yield Desk(folder, stack.enter_context(opened(folder)), stack.enter_context(opened(folder)))


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StateError(f"the state cannot be read or written ({error})", where="state") from None
