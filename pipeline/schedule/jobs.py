"""What a schedule does when it is due. Each job can be done again: what it did is found done."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.delivery import subjects
from pipeline.delivery.deliver import deliver
from pipeline.delivery.receipts import receipts
from pipeline.errors import RunError, SettingsError
from pipeline.exports import export as exporting
from pipeline.exports.profile import profile_named
from pipeline.exports.write import safe_name
from pipeline.ledger.lineage import export_made, run_made, told_by
from pipeline.ledger.reading import ledger_session
from pipeline.ledger.reference import stored_reference
from pipeline.ledger.store import Store
from pipeline.run import paid_by_export, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime
    from pathlib import Path

    from pipeline.settings.settings import Settings


_Elsewhere = Mapping[tuple[str, str], list[str]]


@dataclass(frozen=True)
class Due:
    """A schedule that is due. moment: the last one at which it was. today: the wall's day, later after a downtime."""

    settings: Settings
    name: str
    schedule: Any
    moment: datetime
    today: date
    tell: Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """What was done. said: for people, a line each. findings: whether something needs a person."""

    said: list[str]
    findings: bool = False
    details: dict[str, Any] = field(default_factory=dict)


def export_due(due: Due) -> Job:
    """Exports what no earlier export of each profile took, up to the day or to the end of the month before.

    They are delivered with all else that waits. Raises: as pipeline.exports.export.export.
    """
    settings, schedule, day = due.settings, due.schedule, due.moment.date()
    last = day if schedule.through == "day" else day.replace(day=1) - timedelta(days=1)
    said, numbers = [], []
    for named in schedule.profiles:
        profile = profile_named(settings.profiles, named)
        if profile.entity not in {None, schedule.entity}:
            raise SettingsError(
                f"profile {named} is of {profile.entity}, the schedule of {schedule.entity}",
                where=f"schedule {due.name}",
            )
        due.tell(f"export {named} of {schedule.entity} through {last}")
        store, out = Store.open(settings.store), _folder(due, named)
        with told_by(settings, f"lettrage.export.{profile.name}", warn=due.tell) as told:
            made = exporting.export(
                store,
                profile=profile,
                entity=schedule.entity,
                first=None,
                last=last,
                on=day,
                out=out,
                pay=paid_by_export(legal_entity=schedule.entity, created_on=last, on=day),
            )
            export_made(told, store, out, made)
        if made.number is None:
            said.append(f"{named}: nothing new through {last}")
        else:
            numbers.append(made.number)
            said.append(f"{named}: export {made.number}, {made.entries:,} entries through {last}")
    return Job(said, details={"exports": numbers})


def _folder(due: Due, profile: str) -> Path:
    """Where the files of a scheduled export are kept."""
    return due.settings.out / safe_name(due.schedule.entity) / safe_name(profile) / f"{due.moment:%Y-%m-%d}"


def pay_due(due: Due) -> Job:
    """Makes an order where that is asked for, then delivers the bank's files of the entity's orders, each once.

    Raises: as pipeline.run.run; RunError where a file did not arrive.
    """
    settings, schedule = due.settings, due.schedule
    said, findings = [], False
    if schedule.make_order:
        made, findings = _order(due)
        said += made
    store = Store.open(settings.store)
    orders = _orders(store, schedule.entity, schedule.since)
    elsewhere = _delivered_elsewhere(store, settings)
    wanted = [
        (one, to)
        for one in subjects.orders(store, orders)
        for to in schedule.destinations
        if (one.payment_order, to) not in elsewhere
    ]
    outcomes = deliver(store, settings, wanted, tell=due.tell)
    sent = [one for one in outcomes if one.state == "delivered"]
    said += [f"{one.subject}: delivered to {one.destination}" for one in sent]
    bad = [f"{one.subject} to {one.destination}: {one.state}. {one.said}" for one in outcomes if one.state in _BAD]
    bad += [
        f"order {order} to {to}: not sent, for it went to {', '.join(elsewhere[order, to])} before, which the settings "
        f"do not know any more. `lettrage deliver --order {order} --to {to}` sends it; with --arrived, it has it"
        for order in orders
        for to in schedule.destinations
        if (order, to) in elsewhere
    ]
    if bad:
        raise RunError("\n".join([*said, *bad]))
    return Job(said or ["no order waits"], findings, {"orders": [one.subject for one in sent]})


def _delivered_elsewhere(store: Store, settings: Settings) -> _Elsewhere:
    """By order and destination that has not got it: the destinations that got it and that are not described any more.

    One of them may be the same bank by another name: it would pay twice.
    """
    found = receipts(store).filter(pl.col("payment_order").is_not_null())
    had: dict[str, set[str]] = {}
    for order, destination in found.select("payment_order", "destination").unique().iter_rows():
        had.setdefault(order, set()).add(destination)
    gone = {order: sorted(names - settings.destinations.keys()) for order, names in had.items()}
    return {
        (order, to): names
        for order, names in gone.items()
        if names
        for to in settings.destinations
        if to not in had[order]
    }


_BAD = frozenset({"failed", "unclear", "busy"})


def sync_due(due: Due) -> Job:
    """Takes every drop of a source into the reference directory. Raises: as pipeline.masterdata.source.sync_source."""
    # Master data is imported where a source is described.
    from pipeline.masterdata.source import sync_source  # noqa: PLC0415

    due.tell(f"{due.name}: drops of {due.schedule.source}")
    results = sync_source(due.settings, due.schedule.source, on=due.today)
    told = [result.as_dict() for result in results]
    return Job(
        [str(result) for result in results] or ["no drop waits"], any(r.exit_code for r in results), {"syncs": told}
    )


def _order(due: Due) -> tuple[list[str], bool]:
    """Runs a batch of one order, named after the schedule and its day: given twice it is the same order.

    After a downtime it is created today all the same: a bank takes no payment of yesterday.
    """
    settings, schedule = due.settings, due.schedule
    store = Store.open(settings.store)
    order = f"{due.name}-{due.moment:%Y-%m-%d}"
    with ledger_session(store, kinds=["reference", "reference_digests", "documents"]) as session:
        is_made = session.value(
            "select count(*) from documents "
            "where document_kind = 'payment_order' and document = $order and state in ('posted', 'cancelled')",
            {"order": order},
        )
        modes = dict(stored_reference(session)["legal_entities"].select("legal_entity", "payment_mode").iter_rows())
    if modes.get(schedule.entity) == "at_export":
        raise SettingsError(
            f"{schedule.entity} is paid by its exports: it takes no order",
            where=f"schedule {due.name}",
            mend="leave make_order out",
        )
    if is_made:
        # A schedule that stays due adds no run to the ledger each time.
        return [f"order {order} is made already"], False
    row = {
        "payment_order": order,
        "version": "1",
        "legal_entity": schedule.entity,
        "status": "active",
        "created_on": str(due.today),
        "cutoff_on": str(due.today - timedelta(days=schedule.cutoff_days)),
        "bank_account": schedule.bank_account or "",
    }
    batch = settings.state / "spool" / f"order-{order}"
    shutil.rmtree(batch, ignore_errors=True)
    batch.mkdir(parents=True)
    try:
        with (batch / "payment_orders.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            writer.writeheader()
            writer.writerow(row)
        with told_by(settings, "lettrage.run", warn=due.tell) as told:
            result = run(settings.reference, batch, settings.store, on=due.today)
            run_made(told, settings.store, settings.reference, batch, result)
    finally:
        shutil.rmtree(batch, ignore_errors=True)
    paid = sum(one["payments"] for one in result.payments if one["payment_order"] == order)
    said = [f"order {order}: {paid} payments"]
    said += [f"{found['row_key']}: {found['message']}" for found in result.findings]
    return said, bool(result.findings)


def _orders(store: Store, entity: str, since: date | None) -> list[str]:
    """The orders of an entity that paid someone, created since a day, and that are not cancelled."""
    with ledger_session(store, kinds=["documents", "payments", "reference", "reference_digests"]) as session:
        known = stored_reference(session)["legal_entities"]["legal_entity"].to_list()
        if entity not in known:
            # By a slip of the pen nobody would ever be paid, and nobody told.
            raise SettingsError(f"the ledger knows no legal entity {entity} (it knows {', '.join(sorted(known))})")
        found = session.query(
            """
            with

            order_days as (
                select document as payment_order, arg_max(event_date, run) as event_date
                from stored_documents
                where document_kind = 'payment_order' and legal_entity = $entity
                group by document
            )

            select payments.payment_order
            from payments
            inner join order_days on payments.payment_order = order_days.payment_order
            left join documents
                on
                    documents.document_kind = 'payment_order'
                    and payments.payment_order = documents.document
                    and payments.legal_entity = documents.legal_entity
            where payments.legal_entity = $entity and order_days.event_date >= $since
            group by payments.payment_order, order_days.event_date
            having not bool_or(payments.status = 'cancelled' or coalesce(documents.status = 'cancelled', false))
            order by order_days.event_date, payments.payment_order
            """,
            {"entity": entity, "since": since},
        )
    return [str(order) for order in found["payment_order"]]


#: by what a schedule `does`
JOBS: Mapping[str, Callable[[Due], Job]] = {
    "export": export_due,
    "payments": pay_due,
    "sync": sync_due,
}
