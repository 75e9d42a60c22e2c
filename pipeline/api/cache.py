"""What was computed of a ledger, for as long as that ledger is asked for: a version of it never changes.

A ledger is known by the names of its segments, and these are digests of what is in them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from pipeline.ledger.store import Store

Made = TypeVar("Made")


class Cache:
    """Keeps the last things that were made, and has each made once however many ask for it at a time.

    most: things that are kept. largest: bytes of one that is kept.
    """

    def __init__(self, most: int = 32, largest: int = 64 << 20) -> None:
        self._most, self._largest = most, largest
        self._made: OrderedDict[Hashable, Any] = OrderedDict()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._guard = threading.Lock()

    def get(self, store: Store, what: Hashable, make: Callable[[], Made], size: Callable[[Made], int]) -> Made:
        """What `make` gives for a ledger, made anew only where it is not kept. size: its bytes."""
        segments = tuple(segment.name for kind in store.kinds() for segment in store.segments(kind))
        key = (hash(segments), len(segments), store.run, what)
        with self._guard:
            if key in self._made:
                self._made.move_to_end(key)
                found: Made = self._made[key]
                return found
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            with self._guard:
                if key in self._made:
                    return self._made[key]  # type: ignore[no-any-return]  # what was kept under this key
            try:
                made = make()
            finally:
                with self._guard:
                    self._locks.pop(key, None)
            with self._guard:
                if size(made) <= self._largest:
                    self._made[key] = made
                    while len(self._made) > self._most:
                        self._made.popitem(last=False)
            return made
