"""Runs, quarantine and balances at a glance: read from what is kept as state, so that history costs nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pipeline.ledger.as_of import NOW, AsOf
from pipeline.ledger.reading import ledger_session

if TYPE_CHECKING:
    from datetime import date

    from rich.console import Console

    from pipeline.ledger.store import Store

#: what is read where no day is given
_STATE = ("balances", "employee_state", "findings", "links", "payments", "runs", "series")


@dataclass(frozen=True)
class Status:
    """What a ledger holds. runs: the last ten; series: entries by journal code; balances: a row a legal entity.

    as_of_run, as_of_date: the run, and the day where one was asked for.
    """

    as_of_run: int
    as_of_date: date | None
    runs: list[dict[str, Any]]
    series: list[dict[str, Any]]
    payments: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]
    balances: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """The same for machines."""
        return asdict(self)


def status(store: Store, *, as_of: AsOf = NOW) -> Status:
    """Looks at a ledger; entry lines are read where a day is given alone.

    Raises: UsageError where the ledger has no such run, StoreError where what is read is not what was written.
    """
    with ledger_session(store, as_of=as_of, kinds=None if as_of.on else _STATE) as session:
        return Status(
            as_of_run=as_of.run_of(store),
            as_of_date=as_of.on,
            runs=session.rows(
                """
                select run, any_value(run_on) as run_on, sum(rows_in)::bigint as rows_in,
                    sum(retried)::bigint as retried, sum(posted)::bigint as posted, sum(unchanged)::bigint as unchanged,
                    sum(superseded)::bigint as superseded, sum(ignored)::bigint as ignored,
                    sum(quarantined)::bigint as quarantined, any_value(digest) as chain_digest
                from runs left join stored_links using (run)
                group by run order by run desc limit 10
                """
            ),
            series=session.rows(
                """
                select legal_entity, journal_code, fiscal_year, max(last_number) as entries
                from stored_series group by all order by all
                """
            ),
            payments=session.rows(
                """
                select payment_order, legal_entity, status, count(*) as payments, sum(amount)::decimal(18, 4) as amount
                from payments group by all order by all
                """
            ),
            quarantine=session.rows(
                """
                select rule, count(*) as findings, arg_min(row_key, (first_run, row_key)) as row_key,
                    arg_min(message, (first_run, row_key)) as message
                from stored_findings group by rule order by rule
                """
            ),
            balances=session.rows(
                """
                with entities as (
                    select legal_entity, sum(debit)::decimal(18, 4) as debit, sum(credit)::decimal(18, 4) as credit
                    from balances group by legal_entity
                ),
                employees as (
                    select legal_entity, (-sum(third_party))::decimal(18, 4) as owed,
                        sum(advance_one_time + advance_regular)::decimal(18, 4) as advances
                    from employee_accounts group by legal_entity
                )
                select entities.*, coalesce(owed, 0)::decimal(18, 4) as owed,
                    coalesce(advances, 0)::decimal(18, 4) as advances
                from entities left join employees using (legal_entity) order by legal_entity
                """
            ),
        )


def render(seen: Status, console: Console) -> None:
    """Prints a status for a person."""
    from rich.table import Table  # noqa: PLC0415 - machines, who read it as JSON, do without

    if seen.as_of_run:
        console.print(AsOf(seen.as_of_run, seen.as_of_date).said, highlight=False)
    for title, rows in (
        ("Runs, newest first", seen.runs),
        ("Entries by journal", seen.series),
        ("Payments", seen.payments),
        ("Waiting in quarantine", seen.quarantine),
        ("Balances", seen.balances),
    ):
        if not rows:
            console.print(f"{title}: none")
            continue
        names = [name for name in rows[0] if name != "chain_digest"]
        table = Table(*(name.replace("_", " ") for name in names), title=title)
        for row in rows:
            table.add_row(*(str(row[name]) for name in names))
        console.print(table)
    if seen.runs and seen.runs[0]["chain_digest"]:
        console.print(f"Chain after run {seen.runs[0]['run']}: {seen.runs[0]['chain_digest']}", highlight=False)
