"""Cancelled orders, orders and returns, in turn: payments, letterings and deletterings (spec §5 and §6).

Reads what post.py leaves, and of the ledger the open lines of the legal entities that pay and the letterings that are
touched. Adds its entries to `entries` and `lines`, and leaves

    open_lines       a row an unlettered line of role `employee`; line_id is this run's own
    members          a row a (lettering in force that this run made or may dissolve, line)
    new_letterings, dissolved_letterings    a row a lettering; new_members: a row a line that this run lettered
    payments_now     a row a payment that this run made or changed
    left_out         a row a finding on an employee whom an order leaves out; unpaid_returns: a row a refused return

The orders of one legal entity follow one another, since each pays what the one before left open; those of different
entities have nothing in common. So the work goes in turns, the nth order of every entity in the nth.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.stage.ibans import iban_table

if TYPE_CHECKING:
    from pipeline.sql import Session

HERE = Path(__file__).parent


def pay(session: Session) -> None:
    """Does what the run's orders and returns ask for, after its documents are posted."""
    session.run(HERE / "active_orders.sql")
    session.run(HERE / "accepted_returns.sql")
    session.run(HERE / "known_orders.sql")
    session.run(HERE / "exclusions.sql")
    session.run(HERE / "cancelled_payments.sql")
    session.run(HERE / "returnable_payments.sql")
    session.run(HERE / "touched_entries.sql")
    session.run(HERE / "touched_letterings.sql")
    session.run(HERE / "stored_members.sql")
    session.run(HERE / "paying_entities.sql")
    session.run(HERE / "open_line_states.sql")
    session.run(HERE / "stored_open.sql")
    session.drop("open_line_states")
    session.run(HERE / "old_entries.sql")
    session.add(HERE / "order_contra_entries.sql", "entries", last_entry_id=_last_entry_id(session))
    session.add(HERE / "order_contra_lines.sql", "lines")
    session.run(HERE / "open_lines.sql")
    session.run(HERE / "members.sql")
    # What a return of this run opens again is paid by the next order of this run.
    session.view(
        "lines_in_reach",
        """
        select legal_entity, employee, document_kind, document from open_lines
        union all
        select legal_entity, employee, document_kind, document from members
        """,
    )
    session.create("new_members", "select * from members where false")
    session.run(HERE / "payments_now.sql")
    session.run(HERE / "lettering_counts.sql")
    session.run(HERE / "report_statuses.sql")
    session.run(HERE / "compensation_needs.sql", "account_needs")
    session.run(HERE.parent / "post" / "accounts.sql", "payment_accounts")
    session.run(HERE / "payees.sql")
    session.register("payee_ibans", iban_table(session.query("select distinct iban from payees")["iban"]))
    session.create(
        "new_letterings",
        """
        select legal_entity, employee, lettering, lettered_on, null::varchar as payment_order
        from touched_letterings where false
        """,
    )
    session.create(
        "dissolved_letterings",
        "select legal_entity, employee, lettering, dissolved_on from touched_letterings where is_dissolved",
    )
    session.create(
        "left_out",
        """
        select null::varchar as payment_order, null::bigint as turn, null::varchar as legal_entity,
            null::varchar as employee, null::varchar as rule, null::varchar as value where false
        """,
    )
    session.create("unpaid_returns", "select row_id, payment_order, employee from accepted_returns where false")
    session.drop("lines_in_reach")
    turns = int(session.value("select coalesce(max(turn), 0) from active_orders"))
    returns = session.count("accepted_returns")
    for turn in range(turns + 1):
        if turn > 0:
            _pay_orders(session, turn)
        if returns > 0:
            _take_returns(session, turn)


def _pay_orders(session: Session, turn: int) -> None:
    session.run(HERE / "round_candidates.sql", turn=turn)
    session.run(HERE / "round_ties.sql")
    _spread_blocks(session)
    session.run(HERE / "round_eligible.sql")
    session.run(HERE / "round_balances.sql")
    session.run(HERE / "round_drafts.sql")
    session.add(HERE / "round_left_out.sql", "left_out", turn=turn)
    session.add(HERE / "round_entries.sql", "entries", last_entry_id=_last_entry_id(session))
    session.add(HERE / "round_lines.sql", "lines")
    session.run(HERE / "round_letterings.sql")
    session.insert("new_letterings", "select * from round_letterings")
    session.run(HERE / "round_members.sql", turn=turn)
    session.insert("members", "select * from round_members")
    session.insert("new_members", "select * from round_members")
    session.add(HERE / "round_payments.sql", "payments_now")
    session.con.execute(
        """
        delete from open_lines where line_id in (
            select round_eligible.line_id from round_eligible
            semi join round_letterings
                on round_eligible.payment_order = round_letterings.payment_order
                    and round_eligible.employee = round_letterings.employee
        )
        """
    )


def _spread_blocks(session: Session) -> None:
    """Makes round_blocked: the lines that stay behind with a blocked one, tie by tie, until no more join.

    Each pass is one join over the lines that have ties at all; there are as many passes as the longest chain of ties.
    """
    session.create("round_blocked", "select distinct line_id from round_ties where is_blocked")
    while True:
        before = session.count("round_blocked")
        session.insert(
            "round_blocked",
            """
            select distinct ties.line_id from round_ties as ties
            semi join (
                select distinct tie from round_ties semi join round_blocked using (line_id)
            ) as blocked_ties on ties.tie = blocked_ties.tie
            anti join round_blocked on ties.line_id = round_blocked.line_id
            """,
        )
        if session.count("round_blocked") == before:
            return


def _take_returns(session: Session, turn: int) -> None:
    session.run(HERE / "round_returns.sql", turn=turn)
    if session.count("round_returns") == 0:
        return
    session.insert("unpaid_returns", "select row_id, payment_order, employee from round_returns where entry_id is null")
    session.run(HERE / "payment_entries.sql")
    session.run(HERE / "payment_lines.sql")
    session.add(HERE / "return_entries.sql", "entries", last_entry_id=_last_entry_id(session))
    session.add(HERE / "return_lines.sql", "lines")
    session.run(HERE / "return_dissolved.sql", "round_dissolved")
    last_line_id = session.value("select coalesce(max(line_id), 0) from open_lines")
    session.add(HERE / "reopened_lines.sql", "open_lines", last_line_id=last_line_id)
    session.insert("dissolved_letterings", "select * from round_dissolved")
    session.con.execute(
        """
        delete from members where exists (
            select 1 from round_dissolved
            where round_dissolved.legal_entity = members.legal_entity
                and round_dissolved.employee = members.employee and round_dissolved.lettering = members.lettering
        )
        """
    )
    session.con.execute(
        """
        update payments_now set status = 'returned', is_changed = true
        where entry_id in (select entry_id from round_returns where entry_id is not null) and status = 'paid'
        """
    )


def _last_entry_id(session: Session) -> int:
    return int(session.value("select coalesce(max(entry_id), 0) from entries"))
