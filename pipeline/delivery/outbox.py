"""Deliveries under way: what was begun, how far it came, and receipts that the ledger does not have yet.

The state may be lost: a file that the receiver has under its name is then recognised there. What it cannot tell any
more is whether a receiver has taken a file away that the ledger knows nothing of.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipeline.delivery.parcel import Receipt
from pipeline.state.state import transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

WAITING, DELIVERED, FAILED, UNCLEAR = "waiting", "delivered", "failed", "unclear"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Delivery:
    """A delivery as the state has it: its subject (`export 12`, `order PO-1`), its destination and how it stands."""

    delivery: str
    subject: str
    legal_entity: str
    destination: str
    channel: str
    copy: int
    state: str = WAITING
    attempts: int = 0
    created_at: str = field(default_factory=_now)
    tried_at: str | None = None
    said: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return self.__dict__


_COLUMNS = ", ".join(column.name for column in fields(Delivery))


class Outbox:
    """The deliveries of a state."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def begin(self, one: Delivery) -> None:
        """Writes a delivery down; one that is there stays as it stands."""
        self._connection.execute(
            f"insert into deliveries ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing",
            tuple(vars(one).values()),
        )

    def all(self) -> list[Delivery]:
        """Every delivery, the oldest first."""
        rows = self._connection.execute(
            f"select {_COLUMNS} from deliveries order by created_at, subject, destination, copy"
        )
        return [Delivery(**row) for row in rows]

    def get(self, delivery: str) -> Delivery | None:
        """The delivery of that id."""
        return next((one for one in self.all() if one.delivery == delivery), None)

    def tried(self, delivery: str) -> None:
        """Counts an attempt, before it is made."""
        self._connection.execute(
            "update deliveries set attempts = attempts + 1, tried_at = ? where delivery = ?", (_now(), delivery)
        )

    def ended(self, delivery: str, state: str, said: str | None = None) -> None:
        """Writes down how an attempt ended."""
        self._connection.execute(
            "update deliveries set state = ?, said = ? where delivery = ?", (state, said, delivery)
        )

    def drop(self, delivery: str) -> None:
        """Forgets a delivery that is not to be made any more."""
        with transaction(self._connection):
            for table in ("delivery_steps", "delivery_receipts", "deliveries"):
                self._connection.execute(f"delete from {table} where delivery = ?", (delivery,))

    def steps(self, delivery: str) -> OutboxSteps:
        """How far the files of a delivery came."""
        return OutboxSteps(self._connection, delivery)

    def receipts(self, delivery: str) -> list[Receipt]:
        """The receipts of a delivery, by file."""
        rows = self._connection.execute(
            "select receipt from delivery_receipts where delivery = ? order by file", (delivery,)
        )
        return [Receipt.of(json.loads(row["receipt"])) for row in rows]

    def unrecorded(self) -> list[tuple[Delivery, Receipt]]:
        """The receipts that the ledger may not have, with their deliveries."""
        known = {one.delivery: one for one in self.all()}
        rows = self._connection.execute(
            "select delivery, receipt from delivery_receipts where recorded = 0 order by delivery, file"
        )
        return [(known[row["delivery"]], Receipt.of(json.loads(row["receipt"]))) for row in rows]

    def recorded(self, receipts: Iterable[tuple[str, str]]) -> None:
        """Says that the ledger has these receipts, each a delivery and a file."""
        with transaction(self._connection):
            self._connection.executemany(
                "update delivery_receipts set recorded = 1 where delivery = ? and file = ?", list(receipts)
            )

    def was_told(self, destination: str, said: str) -> bool:
        """Whether people were told the same of a destination in the last day; if not, they count as told from now."""
        row = self._connection.execute("select said, at from notices where destination = ?", (destination,)).fetchone()
        now = datetime.now(UTC)
        if row is not None and row["said"] == said and (now - datetime.fromisoformat(row["at"])).days < 1:
            return True
        self._connection.execute(
            "insert or replace into notices (destination, said, at) values (?, ?, ?)",
            (destination, said, now.isoformat()),
        )
        return False

    def forget_notice(self, destination: str) -> None:
        """Says that a destination works again: the next failure is told at once."""
        self._connection.execute("delete from notices where destination = ?", (destination,))


class OutboxSteps:
    """The steps of one delivery: see `pipeline.delivery.parcel.Steps`."""

    def __init__(self, connection: sqlite3.Connection, delivery: str) -> None:
        self._connection, self._delivery = connection, delivery

    def get(self, file: str) -> str | None:
        """The last step of a file."""
        row = self._connection.execute(
            "select step from delivery_steps where delivery = ? and file = ?", (self._delivery, file)
        ).fetchone()
        return None if row is None else str(row["step"])

    def say(self, file: str, step: str) -> None:
        """Writes a step down."""
        self._connection.execute(
            "insert or replace into delivery_steps (delivery, file, step) values (?, ?, ?)",
            (self._delivery, file, step),
        )

    def receipt(self, file: str) -> Receipt | None:
        """The receipt of a file."""
        row = self._connection.execute(
            "select receipt from delivery_receipts where delivery = ? and file = ?", (self._delivery, file)
        ).fetchone()
        return None if row is None else Receipt.of(json.loads(row["receipt"]))

    def arrived(self, receipt: Receipt, *, recorded: bool = False) -> None:
        """Writes a receipt down. recorded: the ledger has it."""
        self._connection.execute(
            "insert or replace into delivery_receipts (delivery, file, receipt, recorded) values (?, ?, ?, ?)",
            (self._delivery, receipt.file, json.dumps(receipt.as_dict(), ensure_ascii=False), int(recorded)),
        )

    def forget(self) -> None:
        """Forgets the steps: the files that have no receipt are carried from the beginning."""
        self._connection.execute("delete from delivery_steps where delivery = ?", (self._delivery,))
