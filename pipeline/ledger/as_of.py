"""Which ledger is asked for: that of a run, that of a day, or both (docs/time-travel.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from datetime import date

    from pipeline.ledger.store import Store


@dataclass(frozen=True)
class AsOf:
    """Two axes, which may be combined.

    run: what was known after that run; None is the last one. on: the books at the end of that day, by posting dates;
    None is whatever their dates.
    """

    run: int | None = None
    on: date | None = None

    def __bool__(self) -> bool:
        """Whether anything but the ledger of now is asked for."""
        return self != NOW

    @property
    def said(self) -> str:
        """The same for a person, of a run that is known."""
        day = "" if self.on is None else f", the books at the end of {self.on}"
        return f"As of run {self.run}{day}"

    def run_of(self, store: Store) -> int:
        """The run that is meant. Raises: UsageError where the ledger has no such run, saying which it has."""
        if self.run is None:
            return store.run
        if not 1 <= self.run <= store.run:
            raise UsageError(
                f"the ledger has no run {self.run}",
                mend={0: "it has none yet", 1: "it has run 1"}.get(store.run, f"it has runs 1 to {store.run}"),
            )
        return self.run


#: the ledger as it is: everything known, whatever its dates
NOW = AsOf()
