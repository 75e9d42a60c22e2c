"""Holds a stored ledger to the invariants of spec §8, from what is stored alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from pipeline.ledger.reading import ledger_session

if TYPE_CHECKING:
    from pipeline.ledger.store import Store

INVARIANTS = Path(__file__).parent / "invariants"
_EXAMPLES = 3


@dataclass(frozen=True)
class Violation:
    """An invariant that does not hold: how many rows break it, and the first of them."""

    invariant: str
    rows: int
    examples: list[str]

    def __str__(self) -> str:
        return f"{self.invariant}: {self.rows:,} rows, as " + "; ".join(self.examples)


def check(store: Store) -> list[Violation]:
    """Reads every segment, then runs every file of invariants/, which selects what breaks it; empty where all hold."""
    broken = store.broken_segments()
    if broken:  # nothing can be said of a ledger whose files are not what was written
        return [Violation("segments_are_whole", len(broken), broken[:_EXAMPLES])]
    found = []
    with ledger_session(store) as session:
        for path in sorted(INVARIANTS.glob("*.sql")):
            try:
                session.run(path, "violations")
            except duckdb.Error as error:
                found.append(Violation(path.stem, 1, [str(error).splitlines()[0]]))
                continue
            rows = session.count("violations")
            if rows:
                examples = session.query(f"select * from violations limit {_EXAMPLES}").rows(named=True)
                found.append(Violation(path.stem, rows, [_shown(row) for row in examples]))
    return found


def _shown(row: dict[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in row.items() if value is not None)
