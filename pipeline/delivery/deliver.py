"""Carries recorded files to their destinations: once, whatever breaks in between (docs/delivery.md).

What was delivered stands in the ledger. How far a delivery came stands in the state, so that the next attempt goes on
there. One process at a time delivers to a destination; another one leaves it alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import stamina
from filelock import FileLock, Timeout

from pipeline.delivery import outbox as states
from pipeline.delivery import receipts, subjects
from pipeline.delivery.channels import channel_of
from pipeline.delivery.notify import notify
from pipeline.delivery.outbox import Delivery, Outbox, OutboxSteps
from pipeline.delivery.parcel import SENDING, UPLOADED, Parcel, Receipt, folder_for
from pipeline.errors import (
    DeliveryError,
    LettrageError,
    SettingsError,
    StateError,
    StoreBusyError,
    StoreError,
    TryAgainError,
    UnclearError,
    UsageError,
)
from pipeline.ledger.store import Store
from pipeline.settings.destinations import EmailDestination
from pipeline.settings.secrets import found
from pipeline.state.state import opened
from pipeline.watch.logs import log
from pipeline.watch.redact import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pipeline.delivery.parcel import Channel, ParcelFile
    from pipeline.delivery.subjects import Subject
    from pipeline.settings.destinations import Destination
    from pipeline.settings.settings import Settings

#: of an outcome, besides the states of a delivery
ALREADY, TO_SEND, BUSY = "already", "to send", "busy"
_LONGEST_WAIT = 60.0
#: of a destination, what says where it is
_PLACE = {"by", "host", "port", "user", "path", "bucket", "endpoint"}


@dataclass(frozen=True)
class Outcome:
    """What became of a subject (`export 12`) for a destination.

    state: delivered, already (it was before), failed, unclear (nobody knows whether it arrived), busy (another process
    is at it), to send (of a preview). said: why, for people. receipts: of what arrived in this go.
    """

    subject: str
    legal_entity: str
    destination: str
    state: str
    said: str = ""
    receipts: list[Receipt] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**vars(self), "receipts": [receipt.as_dict() for receipt in self.receipts]}


@dataclass(frozen=True)
class Wish:
    """What is asked for besides what profiles name.

    again: what was delivered goes out once more. arrived: a person says that it has arrived; nothing is sent. preview:
    nothing is sent or written, each outcome says what would be.
    """

    again: bool = False
    arrived: bool = False
    preview: bool = False


def deliver(
    store: Store,
    settings: Settings,
    wanted: Sequence[tuple[Subject, str]] | None = None,
    *,
    wish: Wish | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Outcome]:
    """Delivers what is wanted and was not delivered, and brings the ledger's receipts up to date.

    wanted: subjects with the names of destinations; without it every recorded export with those of its profile, and
    with others that it was asked to go to and has not reached. One that fails keeps nothing else back: its outcome says
    why, and the people of its destination are told. tell: what is being done. Raises: StateError, also where the state
    is of another ledger; StoreError.
    """
    wish = wish or Wish()
    with opened(settings.state) as connection:
        outbox = Outbox(connection)
        _demand_state_of(store, settings, outbox)
        pairs = _due(store, settings, outbox) if wanted is None else list(wanted)
        if not wish.preview:
            _record(store, outbox, tell)
        outcomes: list[Outcome] = []
        for destination in dict.fromkeys(name for _, name in pairs):
            of_it = [subject for subject, name in pairs if name == destination]
            done = _Destination(store, settings, outbox, destination, wish, tell).serve(of_it)
            outcomes += done
            if not wish.preview:
                # What was sent is told whatever becomes of its receipts: the next call brings them in or fails by it.
                _record(store, outbox, tell, waits_out=(StoreError, OSError))
                notify(settings, outbox, destination, [(one.subject, one.state, one.said) for one in done], tell)
        return outcomes


def deliver_one(
    store: Store, settings: Settings, subject: str, to: Sequence[str], *, tell: Callable[[str], None] = lambda _: None
) -> list[Outcome]:
    """Delivers one subject (`export 12`, `order PO-1`) to the destinations of its profile and to those of `to`."""
    number, order = subjects.named(subject)
    named = [name for one, name in subjects.due(store) if one.name == subject]
    one = subjects.orders(store, [str(order)])[0] if number is None else subjects.exports(store, [number])[number]
    return deliver(store, settings, [(one, name) for name in dict.fromkeys([*named, *to])], tell=tell)


def wanted(
    store: Store, settings: Settings, exports: Sequence[int], orders: Sequence[str], to: Sequence[str]
) -> list[tuple[Subject, str]]:
    """The subjects and destinations that a person asks for; without exports and orders, all that is due.

    to: the destinations, in place of those of profiles. Raises: UsageError where there is no such export or order, or
    one has no destination.
    """
    if not exports and not orders:
        with opened(settings.state) as connection:
            due = _due(store, settings, Outbox(connection))
        return [(subject, name) for subject, name in due if not to or name in to]
    every = subjects.due(store)
    chosen = [*subjects.exports(store, list(exports)).values(), *subjects.orders(store, list(orders))]
    pairs = []
    for subject in chosen:
        names = list(dict.fromkeys(to)) or [name for known, name in every if known.name == subject.name]
        if not names:
            raise UsageError(f"the profile of {subject.name} names no destination", mend="give one: --to NAME")
        pairs += [(subject, name) for name in names]
    return pairs


def _due(store: Store, settings: Settings, outbox: Outbox) -> list[tuple[Subject, str]]:
    """What the profiles of exports name, and where exports were asked to go besides and have not arrived.

    An order is not among it: whoever asked for its file may have paid by another way since.
    """
    due = subjects.due(store)
    named = {(subject.name, name) for subject, name in due}
    begun = [
        (one.subject, one.destination)
        for one in outbox.all()
        if one.state != states.DELIVERED
        and one.destination in settings.destinations
        and (one.subject, one.destination) not in named
    ]
    numbers = [number for name, _ in begun if (number := subjects.named(name)[0]) is not None]
    in_force = subjects.in_force(store, numbers)
    return due + [(in_force[name], destination) for name, destination in dict.fromkeys(begun) if name in in_force]


def _demand_state_of(store: Store, settings: Settings, outbox: Outbox) -> None:
    """Holds the state to the ledger. Raises: StateError where it knows receipts that the ledger does not have.

    Export 1 of another ledger would be taken for the one of this, and never be sent.
    """
    said = outbox.in_ledger()
    # Opened after the state was read: another process brings receipts into the ledger before it says so.
    there = set(receipts.receipts(Store.at(store.place)).select("delivery", "file").iter_rows()) if said else set()
    if said - there:
        raise StateError(
            f"the state has {len(said - there)} receipts that the ledger {settings.store} lacks: it is of another "
            "ledger, or the ledger was brought back from a back-up",
            where=str(settings.state),
            mend="name another directory as `state` (schedules count anew, API keys are made anew); see by `lettrage "
            "deliver --preview` what would be sent then, and say by --arrived what receivers have",
        )


def delivered(
    store: Store, settings: Settings, *, export: int | None = None, destination: str | None = None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The receipts of the ledger, and the deliveries of the state that are not done: of an export, of a destination."""
    got = receipts.receipts(store)
    with opened(settings.state) as connection:
        under_way = [one for one in Outbox(connection).all() if one.state != states.DELIVERED]
    if export is not None:
        got = got.filter(export_number=export)
        under_way = [one for one in under_way if subjects.named(one.subject)[0] == export]
    if destination is not None:
        got = got.filter(destination=destination)
        under_way = [one for one in under_way if one.destination == destination]
    return got.to_dicts(), [one.as_dict() for one in under_way]


class _Destination:
    """Everything for one destination."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        outbox: Outbox,
        name: str,
        wish: Wish,
        tell: Callable[[str], None],
    ) -> None:
        self._store, self._settings, self._outbox, self._wish, self._tell = store, settings, outbox, wish, tell
        self._name = name
        self._ledger = receipts.receipts(store).filter(destination=name)

    def serve(self, wanted: Sequence[Subject]) -> list[Outcome]:
        """Delivers the subjects one by one; none keeps the others back."""
        if self._name not in self._settings.destinations and not self._are_vouched(wanted):
            known = ", ".join(sorted(self._settings.destinations)) or "none"
            said = f"the settings know no destination {self._name} (they know {known})"
            return [self._outcome(one, states.FAILED, said) for one in wanted if not self._is_done(one)]
        if self._wish.preview:
            return [self._outcome(one, ALREADY if self._needs_nothing(one) else TO_SEND) for one in wanted]
        try:
            with self._turn():
                return self._served(wanted)
        except Timeout:
            said = "another process is delivering there"
            return [
                self._outcome(one, ALREADY) if self._needs_nothing(one) else self._outcome(one, BUSY, said)
                for one in wanted
            ]

    def _are_vouched(self, wanted: Sequence[Subject]) -> bool:
        """Whether a person says that what profiles sent to a destination of before has arrived there."""
        if not self._wish.arrived:
            return False
        named = {subject.name for subject, name in subjects.due(self._store) if name == self._name}
        return named.issuperset(one.name for one in wanted)

    def _served(self, wanted: Sequence[Subject]) -> list[Outcome]:
        channel: Channel | None = None
        outcomes = []
        for subject in wanted:
            delivery = self._delivery(subject)
            if delivery is None:
                outcomes.append(self._outcome(subject, ALREADY))
                continue
            self._outbox.begin(delivery)
            had = {receipt.file for receipt in self._outbox.receipts(delivery.delivery)}
            state, said = states.DELIVERED, ""
            try:
                if channel is None and not self._wish.arrived:
                    channel = channel_of(self._name, self._settings)
                self._carry(subject, delivery, channel)
            except UnclearError as error:
                state, said = states.UNCLEAR, _told(error)
            except LettrageError as error:
                state, said = states.FAILED, _told(error)
            except Exception as error:  # noqa: BLE001 - what breaks at one receiver keeps no other waiting
                state, said = states.FAILED, f"{type(error).__name__}: {_told(error)}"
            self._outbox.ended(delivery.delivery, state, said or None)
            got = [one for one in self._outbox.receipts(delivery.delivery) if one.file not in had]
            told = log(subject=subject.name, legal_entity=subject.legal_entity, destination=self._name)
            if state == states.DELIVERED:
                told.info("delivered", files=[f"{one.file} {one.size} {one.sha256}" for one in got])
            else:
                told.error("not delivered", state=state, what=said)
            outcomes.append(replace(self._outcome(subject, state, said), receipts=got))
        return outcomes

    def _carry(self, subject: Subject, delivery: Delivery, channel: Channel | None) -> None:
        """Makes the files anew, byte for byte as recorded, and hands them to the channel until they are there."""
        described = self._settings.destinations.get(self._name)
        has_sheet = described is not None and described.control_sheet
        steps = self._outbox.steps(delivery.delivery)
        spool = self._settings.state / "spool" / delivery.delivery
        shutil.rmtree(spool, ignore_errors=True)
        try:
            spool.mkdir(parents=True, mode=0o700)
            files = subjects.write(self._store, subject, spool, control_sheet=has_sheet)
            self._seed(delivery, files)
            if channel is None or described is None:
                self._vouched(delivery, files)
                return
            parcel = Parcel(delivery.delivery, subject.name, self._name, files, subject.facts)
            _demand_same(parcel, steps, described)
            for attempt in stamina.retry_context(
                on=TryAgainError,
                attempts=described.attempts,
                timeout=None,
                wait_initial=described.wait_seconds,
                wait_max=max(_LONGEST_WAIT, described.wait_seconds),
                wait_jitter=described.wait_seconds,
            ):
                with attempt:
                    # It may have been cancelled while others were delivered, or while this one waited.
                    subjects.demand_in_force(Store.at(self._store.place), subject)
                    said = f"{subject.name} to {self._name}"
                    self._tell(said if attempt.num == 1 else f"{said}, attempt {attempt.num}")
                    self._outbox.tried(delivery.delivery)
                    channel.deliver(parcel, steps)
            missing = [file.name for file in files if steps.receipt(file.name) is None]
            if missing:
                raise DeliveryError(f"no receipt came for {', '.join(missing)}", where=f"destination {self._name}")
        finally:
            shutil.rmtree(spool, ignore_errors=True)

    def _delivery(self, subject: Subject) -> Delivery | None:
        """The delivery to make or to go on with; None where there is nothing to do."""
        known = self._outbox.of(subject.name, self._name)
        in_ledger = self._of_ledger(subject)
        last_copy = max([1, *(one.copy for one in known), *in_ledger["copy"].to_list()])
        last = next((one for one in known if one.copy == last_copy), None)
        if self._is_done(subject):
            return self._new(subject, last_copy + 1) if self._wish.again else None
        if last is None:
            return self._new(subject, last_copy)
        if last.state == states.UNCLEAR and self._wish.again:
            # Someone has asked: what may have arrived is sent again as the same message.
            self._outbox.steps(last.delivery).forget()
        return last

    def _needs_nothing(self, subject: Subject) -> bool:
        return not self._wish.again and self._is_done(subject)

    def _is_done(self, subject: Subject) -> bool:
        """Whether the last copy of a subject has arrived whole, by the state or by the ledger."""
        known = self._outbox.of(subject.name, self._name)
        in_ledger = self._of_ledger(subject)
        last_copy = max([1, *(one.copy for one in known), *in_ledger["copy"].to_list()])
        if any(one.copy == last_copy and one.state == states.DELIVERED for one in known):
            return True
        files = set(in_ledger.filter(copy=last_copy)["file"])
        return bool(files) and files.issuperset(subject.files)

    def _of_ledger(self, subject: Subject) -> Any:
        if subject.export_number is not None:
            return self._ledger.filter(export_number=subject.export_number)
        return self._ledger.filter(payment_order=subject.payment_order)

    def _new(self, subject: Subject, copy: int) -> Delivery:
        key = "\0".join((subject.name, self._name, str(copy)))
        described = self._settings.destinations.get(self._name)
        channel = receipts.PERSON if described is None else described.by
        made = hashlib.sha256(key.encode()).hexdigest()[:32]
        return Delivery(made, subject.name, subject.legal_entity, self._name, channel, copy)

    def _seed(self, delivery: Delivery, files: Sequence[ParcelFile]) -> None:
        """Takes over what the ledger knows to have arrived, where the state has lost it."""
        steps = self._outbox.steps(delivery.delivery)
        there = {row["file"]: row for row in self._ledger.filter(delivery=delivery.delivery).to_dicts()}
        for file in files:
            row = there.get(file.name)
            if row is not None and steps.receipt(file.name) is None:
                at = row["delivered_at"].replace(tzinfo=UTC)
                receipt = Receipt(file.name, row["address"] or "", row["byte_count"], row["sha256"], at)
                steps.arrived(replace(receipt, answer=row["answer"] or ""), recorded=True)

    def _vouched(self, delivery: Delivery, files: Sequence[ParcelFile]) -> None:
        """Writes down what a person says: the files have arrived."""
        steps = self._outbox.steps(delivery.delivery)
        for file in files:
            if steps.receipt(file.name) is None:
                said = Receipt(file.name, "", file.size, file.sha256, datetime.now(UTC), receipts.SAID)
                steps.arrived(said)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Keeps every other process of this installation from delivering there."""
        folder: Path = self._settings.state / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"destination-{self._name}.lock", timeout=0):
            yield

    def _outcome(self, subject: Subject, state: str, said: str = "") -> Outcome:
        return Outcome(subject.name, subject.legal_entity, self._name, state, said)


def _demand_same(parcel: Parcel, steps: OutboxSteps, described: Destination) -> None:
    """Holds files to the attempts before. Raises: UnclearError where one is under way elsewhere or with other bytes.

    A channel that does not find what it uploaded would say that it was taken: so it must look at the same place, for
    the same bytes. The file of an order and a control sheet are not recorded: another version may write them otherwise.
    """
    folder = "" if isinstance(described, EmailDestination) else str(folder_for(parcel, described.folder))
    place = described.model_dump_json(include=_PLACE) + folder
    for file in parcel.files:
        key, now = f"of:{file.name}", hashlib.sha256(f"{file.sha256} {place}".encode()).hexdigest()
        before = steps.get(key)
        is_under_way = steps.receipt(file.name) is None and steps.get(file.name) in {UPLOADED, SENDING}
        if is_under_way and before not in {None, now}:
            raise UnclearError(
                f"an attempt before carried {file.name} to another place, or with other bytes: nobody can tell "
                "whether that has arrived",
                where=f"destination {parcel.destination}",
                mend="ask the receiver: the settings of the destination, or lettrage itself, have changed since",
            )
        steps.say(key, now)


def _record(
    store: Store,
    outbox: Outbox,
    tell: Callable[[str], None],
    *,
    waits_out: tuple[type[Exception], ...] = (StoreBusyError,),
) -> None:
    """Brings receipts of the state into the ledger. waits_out: the errors with which they wait for the next time."""
    waiting = outbox.unrecorded()
    if not waiting:
        return
    rows = [_row(delivery, receipt) for delivery, receipt in waiting]
    try:
        receipts.record(store, rows)
    except waits_out as error:
        tell(f"{len(rows)} receipts wait for the next call: {_told(error)}")
        return
    outbox.recorded((delivery.delivery, receipt.file) for delivery, receipt in waiting)
    # Whoever cancelled it while it was sent, or while its receipt waited, was not told that somebody has it.
    sent = dict.fromkeys((delivery.subject, delivery.destination) for delivery, _ in waiting)
    gone = subjects.cancelled(Store.at(store.place), {subject for subject, _ in sent})
    for subject, destination in sent:
        if subject in gone:
            tell(f"{subject} is cancelled, and was delivered to {destination}: tell them")


def _row(delivery: Delivery, receipt: Receipt) -> dict[str, Any]:
    """A receipt as the ledger keeps it."""
    number, order = subjects.named(delivery.subject)
    return {
        "delivery": delivery.delivery,
        "export_number": number,
        "payment_order": order,
        "legal_entity": delivery.legal_entity,
        "destination": delivery.destination,
        "copy": delivery.copy,
        "channel": receipts.PERSON if receipt.answer == receipts.SAID else delivery.channel,
        "file": receipt.file,
        "address": receipt.address or None,
        "byte_count": receipt.size,
        "sha256": receipt.sha256,
        "attempt_count": delivery.attempts,
        "delivered_at": receipt.at.astimezone(UTC).replace(tzinfo=None),
        "answer": receipt.answer or None,
    }


def demand_same_store(settings: Settings, store: str) -> None:
    """Holds a command's --store to the one of the settings. Raises: SettingsError where they are two ledgers."""
    if _same_place(settings.store) != _same_place(store):
        raise SettingsError(
            f"the settings are of the ledger {settings.store}, not of {store}", mend="give the --config of this ledger"
        )


def _same_place(store: str) -> str:
    """A store's place, by whatever path or link it is named."""
    return store.rstrip("/") if store.startswith("s3://") else os.path.realpath(store)


def _told(error: Exception) -> str:
    """An error for people, the state and logs: whatever a server or library put into it, no secret is in it."""
    return without_secrets(str(error), found())


#: attempts are told by `tell`; stamina's own words would come besides
stamina.instrumentation.set_on_retry_hooks([])
