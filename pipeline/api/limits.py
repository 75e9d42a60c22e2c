"""How often somebody may ask: a bucket a key that refills all the time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: buckets that are kept before the full ones are forgotten
_MOST = 10_000


class Rate:
    """So many requests a minute for each name, at most so many at once. clock: seconds."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = per_minute, clock
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, name: str) -> float:
        """Takes one; returns 0, or the seconds to wait where there is none left."""
        with self._lock:
            left = self._now(name)
            if left < 1:
                return (1 - left) * 60 / self._most
            self._left[name] = (left - 1, self._clock())
            if len(self._left) > _MOST:
                self._left = {one: self._left[one] for one in self._left if self._now(one) < self._most}
            return 0.0

    def _now(self, name: str) -> float:
        left, at = self._left.get(name, (float(self._most), self._clock()))
        return min(float(self._most), left + (self._clock() - at) * self._most / 60)
