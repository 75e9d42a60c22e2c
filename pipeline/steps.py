"""What a run does to the tables of a Session, step by step; of the whole batch, or of one part of it alike.

    stage ─▶ post ─▶ pay ─▶ record ─▶ check ─▶ number

Steps are functions from tables to tables. All accounting state is of an employee in a legal entity, and a document is
of one employee: so the steps up to the numbering can be taken a part of the employees at a time, and only the numbers
of entries need all of them (pipeline/partition).
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from pipeline.errors import InvariantError, RunError
from pipeline.ledger.reading import attach_runs, attach_stored
from pipeline.pay.pay import pay
from pipeline.post.post import post_documents
from pipeline.record.record import record
from pipeline.sql import identifier
from pipeline.stage.stage import ALL_TABLES, decide_fates, judge, stage_rows
from schemas import STORED
from schemas.currencies import currencies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date

    from pipeline.ledger.store import Store
    from pipeline.sql import Session

#: orders that accounting exports make themselves; a batch brings none
NO_EXPORT_ORDERS = pl.DataFrame({"payment_order": []}, schema={"payment_order": pl.String})

#: what a run reads of every earlier one; of the entry lines it reads those of the runs that it contra-passes
STATE = sorted(
    set(STORED) - {"entry_lines", "exports", "export_entries", "deliveries", "balances", "seals", "links", "run_times"}
)

#: what the ledger knows of the batch. What is looked up is a table first: then DuckDB skips what cannot match it
_KNOWN = (
    "present_documents",
    "known_document_runs",
    "known_documents",
    "posted_reports",
    "known_expense_entities",
    "known_payments",
    "known_returns",
)

_STAGE = Path(__file__).parent / "stage"
#: a run that is not cut is all one part
_WHOLE = (
    "create temp macro this_part() as 0::integer",
    "create temp macro in_part(employee) as true",
)


def compute(
    session: Session,
    ledger: Store,
    known: Mapping[str, pl.DataFrame],
    staged: Mapping[str, str],
    number: int,
    on: date,
    *,
    part: Sequence[str] = _WHOLE,
    export_orders: pl.DataFrame = NO_EXPORT_ORDERS,
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Takes every step before the numbering; leaves the records that hold no entry number as `record_<kind>`.

    session: with the kinds of STATE attached. known: the reference tables. staged: the query of the rows of each
    movement table. number, on: of the run. part: statements that make the macros this_part and in_part. export_orders:
    payment_order, those that an accounting export makes.
    Raises: RunError where a sum is too large, InvariantError where a step did what it must not do.
    """
    for statement in part:
        session.con.execute(statement)
    session.register("export_orders", export_orders)
    with sums_held():
        _register_reference(session, known)
        progress("stage")
        stage_rows(session, staged)
        for state in _KNOWN:
            session.run(_STAGE / f"{state}.sql")
        decide_fates(session)
        progress("judge")
        judge(session)
        progress("post")
        post_documents(session, lambda runs: attach_runs(session, ledger, "entry_lines", runs), ledger.axes())
        # Payments come after the documents of the run, so that an order pays what came with it (spec §6).
        progress("pay")
        pay(session)
        session.drop("contra_lines", "expense_splits")
        progress("record")
        record(session, number, on)
        _check(session)


def attach(session: Session, ledger: Store) -> None:
    """Gives a session what a run reads of the ledger. Raises: StoreError naming a segment that was changed since."""
    ledger.verify(STATE)
    attach_stored(session, ledger, kinds=STATE)


@contextmanager
def sums_held() -> Iterator[None]:
    """Turns what DuckDB says of a sum that no table can hold into a sentence: each amount alone was looked at before.

    Raises: RunError in place of it.
    """
    try:
        yield
    except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
        # Which expression was to be cast says nothing to a person.
        said = str(error).splitlines()[0].partition(" when casting")[0]
        raise RunError(
            f"amounts add up to more than a table can hold, 14 digits before the point ({said})",
            where="run",
            mend="look for an amount with too many digits in the batch; nothing was written",
        ) from None


def _register_reference(session: Session, known: Mapping[str, pl.DataFrame]) -> None:
    for table, frame in known.items():
        session.register(table, frame)
    session.register("currencies", currencies())
    session.create("special_employees", "select distinct employee from chart_of_accounts where employee <> '*'")
    session.register("movement_tables", pl.DataFrame({"table_name": [movement.table for movement in ALL_TABLES]}))


def _check(session: Session) -> None:
    """Holds the run to spec §8 before anything is written.

    Raises: InvariantError naming the first entry or table where it does not hold: that is a fault of the program.
    """
    checks = {
        "an entry does not balance": """
            select any_value(entries.legal_entity || ' ' || entries.document)
            from lines inner join entries on lines.entry_id = entries.entry_id
            group by lines.entry_id having sum(lines.amount) <> 0 limit 1
        """,
        "a line has no account": """
            select entries.legal_entity || ' ' || entries.document || ' ' || lines.role
            from lines inner join entries on lines.entry_id = entries.entry_id where lines.account is null limit 1
        """,
        "an entry has no journal code": """
            select legal_entity || ' ' || journal from entries where journal_code is null limit 1
        """,
        "a lettering does not balance": """
            select lettering from new_members
            group by legal_entity, employee, lettering, account, auxiliary having sum(owed) <> 0 limit 1
        """,
        "a one-time advance account is in credit": """
            select employee from record_employee_state where advance_one_time < 0 limit 1
        """,
        "rows in and out do not agree": """
            select table_name from row_counts
            where rows_in + retried <> posted + unchanged + superseded + ignored + quarantined limit 1
        """,
    }
    for what, query in checks.items():
        example = session.value(query)
        if example is not None:
            raise InvariantError(
                f"{what} ({example}); nothing was written",
                where="run",
                mend="this is a fault of lettrage: please report it with the batch",
            )


def rows_recorded(kind: str) -> str:
    """The query of the rows of a kind that a run, or this part of it, adds to the ledger."""
    return f"select * from {identifier('record_' + kind)}"
