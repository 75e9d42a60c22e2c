"""Holds a stored ledger to the invariants of spec §8, from what is stored alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from pipeline.ledger import chain
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


def check(store: Store, *, with_chain: bool = False, expected: str | None = None) -> list[Violation]:
    """Reads every file, then runs every file of invariants/, which selects what breaks it; empty where all hold.

    with_chain: recomputes the chain too, so that a row changed by hand is named. expected: a digest of the chain that
    was kept elsewhere. Raises: StoreError where the log itself cannot be read.
    """
    broken = [f"{name}: {what}" for name, what in store.broken_files()] + store.broken_segments()
    found = [Violation("files_are_whole", len(broken), broken[:_EXAMPLES])] if broken else []
    if with_chain:
        found += _chain_violations(store, expected)
    if broken:  # no more can be said of a ledger whose files are not what was written
        return found
    with ledger_session(store, is_verified=True) as session:  # they were read above
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


def _chain_violations(store: Store, expected: str | None) -> list[Violation]:
    """What the chain says of a ledger: links that do not follow, rows that are not what was written."""
    if store.is_older_format():
        return [Violation("chain", 1, ["this ledger has no chain yet: the next run makes it"])]
    try:
        with ledger_session(store, is_verified=True) as session:
            said = chain.broken_links(store, session, expected) + chain.changed_rows(store, session)
    except (duckdb.Error, pl.exceptions.PolarsError) as error:
        said = [f"the rows cannot be read ({str(error).splitlines()[0]})"]
    return [Violation("chain", len(said), said)] if said else []


def _shown(row: dict[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in row.items() if value is not None)
