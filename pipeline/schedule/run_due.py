"""Does what is due, once: exports, payment files, master data; then delivers what waits (docs/schedules.md).

Safe under cron, timers and orchestrators alike: what is under way in another process is left alone, what failed is due
until it has worked, and what was missed while nothing ran is caught up by one run for the last moment.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from pipeline.delivery.deliver import deliver
from pipeline.delivery.notify import once_a_day
from pipeline.delivery.outbox import Outbox
from pipeline.errors import LettrageError, SettingsError, StoreBusyError
from pipeline.ledger.store import Store
from pipeline.schedule import calendar
from pipeline.schedule.jobs import JOBS, Due
from pipeline.settings.secrets import found
from pipeline.state.state import opened
from pipeline.watch.logs import log
from pipeline.watch.redact import without_secrets

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from pipeline.delivery.deliver import Outcome
    from pipeline.settings.schedules import Schedule
    from pipeline.settings.settings import Settings

DONE, FAILED, BUSY = "done", "failed", "busy"


@dataclass(frozen=True)
class Turn:
    """What became of a schedule that was due.

    moment: the last one at which it was due; count: how many there were since it was last done. outcome: done, failed
    (it stays due), busy (another process is at it). findings: whether something needs a person though it was done.
    """

    schedule: str
    does: str
    moment: datetime
    count: int
    outcome: str
    said: list[str] = field(default_factory=list)
    findings: bool = False
    details: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**vars(self), "moment": self.moment.isoformat()}


@dataclass(frozen=True)
class Done:
    """All that was due, and what was delivered after it."""

    turns: list[Turn]
    deliveries: list[Outcome]

    @property
    def has_failed(self) -> bool:
        """Whether a schedule or a delivery failed."""
        bad = {"failed", "unclear"}
        return any(turn.outcome == FAILED for turn in self.turns) or any(one.state in bad for one in self.deliveries)

    @property
    def has_findings(self) -> bool:
        """Whether something went to quarantine, or a line of master data was rejected."""
        return any(turn.findings for turn in self.turns)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "schedules": [turn.as_dict() for turn in self.turns],
            "deliveries": [one.as_dict() for one in self.deliveries],
        }


def run_due(settings: Settings, *, now: datetime, tell: Callable[[str], None] = lambda _: None) -> Done:
    """Does what is due at a moment, the schedules in the order of their moments; then delivers all that waits.

    A schedule that fails keeps none of the others back; the people of [notify] are told once a day. now: with a zone.
    Raises: StateError, StoreError.
    """
    with opened(settings.state) as connection:
        due: list[tuple[datetime, str]] = []
        turns: list[Turn | None] = []
        for name in settings.schedules:
            try:
                due += _due(settings, connection, name, now)
            except SettingsError as error:
                # Of its calendar: the others know theirs.
                turns.append(_broken(settings, connection, name, now, str(error), tell))
        turns += [_turn(settings, connection, name, now, tell) for _, name in sorted(due)]
    outcomes = deliver(Store.open(settings.store), settings, tell=tell)
    return Done([turn for turn in turns if turn is not None], outcomes)


def upcoming(settings: Settings, *, now: datetime, count: int) -> list[dict[str, Any]]:
    """The schedules with the moment since which they are due, if they are, and their next moments; writes nothing."""
    with opened(settings.state) as connection:
        rows = []
        for name, schedule in settings.schedules.items():
            row = _row(connection, name)
            after = now if row is None and schedule.since is None else _after(settings, schedule, row, now)
            last, missed = calendar.last_due(schedule, after, now, settings.zone)
            ahead = calendar.moments(schedule, now, settings.zone)
            rows.append(
                {
                    "schedule": name,
                    "does": schedule.does,
                    "legal_entity": getattr(schedule, "entity", None),
                    "is_on": schedule.is_on,
                    "due_since": last.isoformat() if last is not None and schedule.is_on else None,
                    "due_count": missed if schedule.is_on else 0,
                    "next": [one.isoformat() for one, _ in zip(ahead, range(count), strict=False)],
                    "outcome": None if row is None else row["outcome"],
                    "said": None if row is None else row["said"],
                }
            )
        return rows


def _due(settings: Settings, connection: sqlite3.Connection, name: str, now: datetime) -> list[tuple[datetime, str]]:
    """The last moment at which a schedule is due, with its name; nothing where it is not. It counts as seen."""
    schedule = settings.schedules[name]
    if not schedule.is_on:
        return []
    after = _after(settings, schedule, _row(connection, name), now)
    connection.execute(
        "insert into schedules (schedule, seen_at, done_through) values (?, ?, ?) on conflict do nothing",
        (name, _utc(now), _utc(after)),
    )
    moment, _ = calendar.last_due(schedule, after, now, settings.zone)
    return [] if moment is None else [(moment, name)]


def _broken(
    settings: Settings,
    connection: sqlite3.Connection,
    name: str,
    now: datetime,
    said: str,
    tell: Callable[[str], None],
) -> Turn:
    """A schedule of which nobody can tell when it is due."""
    _tell_people(settings, connection, name, said, tell)
    return Turn(name, settings.schedules[name].does, now, 0, FAILED, said.splitlines())


def _after(settings: Settings, schedule: Schedule, row: sqlite3.Row | None, now: datetime) -> datetime:
    """The moment after which a schedule counts: that which was last done, else its first day, else now."""
    if row is not None:
        return datetime.fromisoformat(row["done_through"])
    if schedule.since is not None:
        return calendar.first_moment(schedule.since, settings.zone)
    return now


def _turn(
    settings: Settings, connection: sqlite3.Connection, name: str, now: datetime, tell: Callable[[str], None]
) -> Turn | None:
    """Does one schedule; None where another process has just done it."""
    schedule = settings.schedules[name]
    try:
        with _alone(settings, name):
            after = _after(settings, schedule, _row(connection, name), now)
            moment, count = calendar.last_due(schedule, after, now, settings.zone)
            if moment is None:
                return None
            tell(f"schedule {name}, due {moment:%Y-%m-%d %H:%M}")
            due = Due(settings, name, schedule, moment, now.astimezone(settings.zone).date(), tell)
            return _done(connection, due, count)
    except Timeout:
        return Turn(name, schedule.does, now, 1, BUSY, ["another process is doing it"])


def _done(connection: sqlite3.Connection, due: Due, count: int) -> Turn:
    name, does, moment, may_pass = due.name, due.schedule.does, due.moment, False
    try:
        job = JOBS[does](due)
    except LettrageError as error:
        # A ledger that is being written passes by itself: people hear of it where it does not.
        may_pass = isinstance(error, StoreBusyError)
        turn = Turn(name, does, moment, count, FAILED, without_secrets(str(error), found()).splitlines())
    except Exception as error:  # noqa: BLE001 - what breaks in one schedule keeps no other waiting
        said = without_secrets(f"{type(error).__name__}: {error}", found())
        turn = Turn(name, does, moment, count, FAILED, [said])
    else:
        turn = Turn(name, does, moment, count, DONE, job.said, job.findings, job.details)
    said, before = "\n".join(turn.said), _row(connection, name)
    through = _utc(moment) if turn.outcome == DONE else None
    connection.execute(
        """
        update schedules set done_through = coalesce(?, done_through), tried_at = ?, outcome = ?, said = ?
        where schedule = ?
        """,
        (through, _utc(datetime.now(UTC)), turn.outcome, said, name),
    )
    log().info("schedule", schedule=name, moment=moment.isoformat(), outcome=turn.outcome, said=turn.said)
    if turn.outcome == FAILED and not (may_pass and before["outcome"] != FAILED):
        _tell_people(due.settings, connection, name, said, due.tell)
    return turn


def _tell_people(
    settings: Settings, connection: sqlite3.Connection, name: str, said: str, tell: Callable[[str], None]
) -> None:
    title, text = f"Lettrage: schedule {name} failed", f"{said}\n\nIt is tried again by the next run.\n"
    once_a_day(settings, Outbox(connection), f"schedule {name}", title, text, tell)


def _row(connection: sqlite3.Connection, name: str) -> Any:
    return connection.execute("select * from schedules where schedule = ?", (name,)).fetchone()


@contextmanager
def _alone(settings: Settings, name: str) -> Iterator[None]:
    """Keeps every other process of this installation from the schedule."""
    folder = settings.state / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"schedule-{name}.lock", timeout=0):
        yield


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
