"""What can be delivered: recorded exports and the bank's files of orders; what folders and texts may say of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.delivery.parcel import ParcelFile
from pipeline.errors import UsageError
from pipeline.exports import export as exporting
from pipeline.exports import record
from pipeline.ledger.reading import ledger_session
from pipeline.ledger.reference import stored_reference

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from pathlib import Path

    from pipeline.ledger.store import Store

EXPORT, ORDER = "export ", "order "


@dataclass(frozen=True)
class Subject:
    """A recorded export or a payment order. files: its files' names, where they are known without making them."""

    name: str
    legal_entity: str
    facts: Mapping[str, str]
    files: tuple[str, ...] = ()

    @property
    def export_number(self) -> int | None:
        """The export's number."""
        return named(self.name)[0]

    @property
    def payment_order(self) -> str | None:
        """The order's id."""
        return named(self.name)[1]


def named(subject: str) -> tuple[int | None, str | None]:
    """The export number, or the payment order, of a subject's name."""
    if subject.startswith(EXPORT):
        return int(subject.removeprefix(EXPORT)), None
    return None, subject.removeprefix(ORDER)


def due(store: Store) -> list[tuple[Subject, str]]:
    """Every export in force with each destination that its profile named, by number: delivered or not."""
    named = record.destinations(store)
    subjects = exports(store, named["export_number"].to_list())
    return [(subjects[number], destination) for number, destination in named.iter_rows()]


def exports(store: Store, numbers: list[int]) -> dict[int, Subject]:
    """Exports as subjects, by number. Raises: UsageError where one is not there or is cancelled."""
    if not numbers:
        return {}
    rows = {row["export_number"]: row for row in record.exports(store).to_dicts()}
    names = _entity_names(store)
    for number in numbers:
        if number not in rows:
            raise UsageError(f"there is no export {number}", mend="see `lettrage exports`")
        if rows[number]["export_status"] == record.CANCELLED:
            raise UsageError(f"export {number} is cancelled: its files are not delivered", mend="export anew")
    return {number: _export(rows[number], names) for number in numbers}


def in_force(store: Store, numbers: list[int]) -> dict[str, Subject]:
    """Those of the exports that are there and not cancelled, by the name of the subject."""
    rows = record.exports(store)
    known = rows.filter(pl.col("export_number").is_in(numbers), pl.col("export_status") != record.CANCELLED)
    return {one.name: one for one in exports(store, known["export_number"].to_list()).values()}


def cancelled(store: Store, names: set[str]) -> set[str]:
    """Those of the subjects that are cancelled, by name."""
    numbers = [number for name in names if (number := named(name)[0]) is not None]
    known = in_force(store, numbers)
    found = {EXPORT + str(number) for number in numbers} - known.keys()
    for name in names:
        order = named(name)[1]
        if order is None:
            continue
        try:
            orders(store, [order])
        except UsageError:
            found.add(name)
    return found


def demand_in_force(store: Store, subject: Subject) -> None:
    """Holds a subject to the ledger as it is. Raises: UsageError where it was cancelled."""
    if subject.export_number is not None:
        exports(store, [subject.export_number])
    else:
        orders(store, [str(subject.payment_order)])


def orders(store: Store, payment_orders: list[str]) -> list[Subject]:
    """Orders as subjects. Raises: UsageError where one paid nobody, is not there, or is cancelled."""
    if not payment_orders:
        return []
    with ledger_session(store, kinds=["documents", "payments"]) as session:
        paid = session.query(
            """
            with

            order_days as (
                select document as payment_order, arg_max(event_date, run) as event_date
                from stored_documents
                where document_kind = 'payment_order'
                group by document
            )

            select
                payments.payment_order, any_value(payments.legal_entity) as legal_entity,
                any_value(order_days.event_date) as paid_on, count(*) as payments,
                bool_or(payments.status = 'cancelled' or coalesce(documents.status = 'cancelled', false))
                    as is_cancelled
            from payments
            left join documents
                on
                    documents.document_kind = 'payment_order'
                    and payments.payment_order = documents.document
                    and payments.legal_entity = documents.legal_entity
            inner join order_days on payments.payment_order = order_days.payment_order
            where payments.payment_order in $orders
            group by payments.payment_order
            """,
            {"orders": payment_orders},
        )
    rows = {row["payment_order"]: row for row in paid.to_dicts()}
    names = _entity_names(store)
    for order in payment_orders:
        if order not in rows:
            raise UsageError(
                f"order {order} paid nobody, or the ledger has no such order", mend="see `lettrage status`"
            )
        if rows[order]["is_cancelled"]:
            raise UsageError(f"order {order} is cancelled: its file is not delivered", mend="pay by another order")
    return [_order(rows[order], names) for order in payment_orders]


def write(store: Store, subject: Subject, folder: Path, *, control_sheet: bool) -> tuple[ParcelFile, ...]:
    """Writes a subject's files, byte for byte as they were recorded. control_sheet: an export's, too.

    Raises: as pipeline.exports.export.again and export_order.
    """
    if subject.export_number is not None:
        files = exporting.again(store, subject.export_number, folder).files
    else:
        files = exporting.export_order(store, order=str(subject.payment_order), out=folder)
    made = [ParcelFile(file.name, folder / file.name, file.size, file.sha256) for file in files]
    names = {file.name for file in files}
    if control_sheet:
        # What `again` leaves there besides the recorded files.
        made += [_of(path) for path in sorted(folder.iterdir()) if path.is_file() and path.name not in names]
    return tuple(made)


def _export(row: dict[str, Any], names: dict[str, str]) -> Subject:
    facts = _facts(
        names,
        legal_entity=row["legal_entity"],
        export=str(row["export_number"]),
        profile=row["profile"],
        first=row["first_on"],
        last=row["last_on"],
        made=row["exported_on"],
        entries=row["entry_count"],
    )
    files = tuple(file["name"] for file in json.loads(row["files"]))
    return Subject(EXPORT + str(row["export_number"]), row["legal_entity"], facts, files)


def _order(row: dict[str, Any], names: dict[str, str]) -> Subject:
    facts = _facts(
        names,
        legal_entity=row["legal_entity"],
        order=row["payment_order"],
        profile="payments",
        first=row["paid_on"],
        last=row["paid_on"],
        made=row["paid_on"],
        entries=row["payments"],
    )
    return Subject(ORDER + row["payment_order"], row["legal_entity"], facts)


def _facts(
    names: dict[str, str],
    *,
    legal_entity: str,
    profile: str,
    first: date | None,
    last: date | None,
    made: date,
    entries: int,
    export: str = "",
    order: str = "",
) -> dict[str, str]:
    until = last or made
    period = str(until) if first == last else f"{first or '…'} - {until}"
    return {
        "subject": f"order {order}" if order else f"export {export}",
        "export": export,
        "order": order,
        "legal_entity": legal_entity,
        "entity_name": names.get(legal_entity, legal_entity),
        "profile": profile,
        "period": period,
        "year": f"{until:%Y}",
        "month": f"{until:%m}",
        "made_on": str(made),
        "entries": str(entries),
    }


def _entity_names(store: Store) -> dict[str, str]:
    with ledger_session(store, kinds=["reference", "reference_digests"]) as session:
        entities = stored_reference(session)["legal_entities"]
    assert isinstance(entities, pl.DataFrame)  # noqa: S101 - what a query gives
    return dict(entities.select("legal_entity", "name").iter_rows())


def _of(path: Path) -> ParcelFile:
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return ParcelFile(path.name, path, path.stat().st_size, digest)
