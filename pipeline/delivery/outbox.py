"""Deliveries under way: what was begun, how far it came, and receipts that the ledger does not have yet.

The state may be lost: a file that the receiver has under its name is then recognised there. What it cannot tell any
more is whether a receiver has taken a file away that the ledger knows nothing of.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pipeline.delivery.parcel import Receipt
from pipeline.state.state import transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

_DAY = timedelta(days=1)
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

    def of(self, subject: str, destination: str) -> list[Delivery]:
        """The deliveries of a subject to a destination, by copy."""
        rows = self._connection.execute(
            f"select {_COLUMNS} from deliveries where subject = ? and destination = ? order by copy",
            (subject, destination),
        )
        return [Delivery(**row) for row in rows]

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
        rows = self._connection.execute(
            "select delivery, receipt from delivery_receipts where recorded = 0 order by delivery, file"
        ).fetchall()
        # After the receipts: another process may begin a delivery between the two.
        known = {one.delivery: one for one in self.all()} if rows else {}
        return [(known[row["delivery"]], Receipt.of(json.loads(row["receipt"]))) for row in rows]

    def in_ledger(self) -> set[tuple[str, str]]:
        """The receipts that the ledger is said to have, each a delivery and a file."""
        rows = self._connection.execute("select delivery, file from delivery_receipts where recorded = 1")
        return {(row["delivery"], row["file"]) for row in rows}

    def recorded(self, receipts: Iterable[tuple[str, str]]) -> None:
        """Says that the ledger has these receipts, each a delivery and a file."""
        with transaction(self._connection):
            self._connection.executemany(
                "update delivery_receipts set recorded = 1 where delivery = ? and file = ?", list(receipts)
            )

    def was_told(self, destination: str, said: str) -> bool:
        """Whether people count as told the same of a destination."""
        row = self._connection.execute("select said, at from notices where destination = ?", (destination,)).fetchone()
        return row is not None and row["said"] == said and datetime.now(UTC) < datetime.fromisoformat(row["at"]) + _DAY

    def told(self, destination: str, said: str, *, for_now: timedelta = _DAY) -> None:
        """Has people count as told, for a day or as long as is said."""
        at = datetime.now(UTC) - _DAY + for_now
        self._connection.execute(
            "insert or replace into notices (destination, said, at) values (?, ?, ?)",
            (destination, said, at.isoformat()),
        )

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
        """Forgets how far the files came that have no receipt; who has got them (`to:`, `link:`) stays."""
        self._connection.execute(
            "delete from delivery_steps where delivery = ? and file not like 'to:%' and file not like 'link:%'",
            (self._delivery,),
        )
