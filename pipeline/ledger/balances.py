"""What the accounts add up to, and what is open on them, as of a run and of a day.

Without a day all of it is read from what is kept as state; with one, from the lines dated up to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.ledger.as_of import NOW, AsOf
from pipeline.ledger.reading import demand_entity, ledger_session, output_query

if TYPE_CHECKING:
    import polars as pl

    from pipeline.ledger.store import Store
    from pipeline.sql import Session

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Balances:
    """Tables by name, in the order in which they are shown. as_of: the run, always, and the day where one was given.

    `balances` or `employee_accounts` (spec §7); or `open_items`, a row an unlettered employee line, with
    `open_balances`, a row an employee: how many items, and what they add up to (owed: below 0 by the employee).
    """

    as_of: AsOf
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The same for machines."""
        rows = {name: frame.to_dicts() for name, frame in self.tables.items()}
        return {"as_of_run": self.as_of.run, "as_of_date": self.as_of.on, **rows}


def balances(store: Store, *, entity: str | None = None, as_of: AsOf = NOW) -> Balances:
    """Gives the accounts, of one legal entity or of all.

    Raises: UsageError where the ledger has no such run or legal entity, StoreError where what is read is not what was
    written.
    """
    return _told(store, entity, as_of, "balances", state="balances")


def employee_accounts(store: Store, *, entity: str | None = None, as_of: AsOf = NOW) -> Balances:
    """Gives the employees' accounts, likewise."""
    return _told(store, entity, as_of, "employee_accounts", state="employee_state")


def open_items(store: Store, *, entity: str | None = None, as_of: AsOf = NOW) -> Balances:
    """Gives what is open on the employees' accounts, likewise, and what it adds up to for each employee."""
    with _session(store, as_of, "open_lines") as session:
        demand_entity(session, entity)
        session.run(HERE / "open_items.sql", entity=entity)
        items = session.query(
            """
            select * from open_items
            order by legal_entity, employee, entry_date, journal_code, fiscal_year, entry_number, line_number
            """
        )
        sums = session.query(
            """
            select legal_entity, employee, count(*) as items, sum(owed)::decimal(18, 4) as owed
            from open_items group by legal_entity, employee order by legal_entity, employee
            """
        )
    return Balances(AsOf(as_of.run_of(store), as_of.on), {"open_items": items, "open_balances": sums})


def _session(store: Store, as_of: AsOf, state: str) -> Session:
    """Opens the ledger of then to read a kind of its state, or the lines that it is told from on a day."""
    return ledger_session(store, as_of=as_of, kinds=None if as_of.on else (state, "reference"))


def _told(store: Store, entity: str | None, as_of: AsOf, table: str, *, state: str) -> Balances:
    with _session(store, as_of, state) as session:
        demand_entity(session, entity)
        rows = session.query(output_query(session, table))
    if entity is not None:
        rows = rows.filter(legal_entity=entity)
    return Balances(AsOf(as_of.run_of(store), as_of.on), {table: rows})
