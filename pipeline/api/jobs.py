"""Jobs: what was asked for over the API, kept in the state until it is done and for some time after.

A job is waiting, running, and done or failed. What writes to the ledger is done one by one in the order in which it was
asked for; previews have a lane of their own.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pipeline.api.problems import Problem, not_found

if TYPE_CHECKING:
    import sqlite3

    from pipeline.api.desk import Desk
    from pipeline.api.keys import Caller

#: how long what came of a job can be asked for, and an Idempotency-Key stands for it
KEPT = timedelta(days=30)
WRITE, PREVIEW = "write", "preview"
#: jobs of one key that may wait: what each brings is on the disk
MOST_WAITING = 100
_BUSY = 503


@dataclass(frozen=True)
class Asked:
    """What is asked for. digest: of all that makes it another request. legal_entity: None where there is not one."""

    kind: str
    lane: str
    what: dict[str, Any]
    digest: str
    legal_entity: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Job:
    """A job as it stands. entities: the legal entities of its key, None for all. before: see `pipeline.api.work`."""

    job: str
    number: int
    kind: str
    lane: str
    state: str
    key_id: str
    entities: frozenset[str] | None
    legal_entity: str | None
    asked: dict[str, Any]
    digest: str
    attempts: int
    before: dict[str, Any] | None
    step: str | None
    result: dict[str, Any] | None
    problem: dict[str, Any] | None
    created_at: str
    started_at: str | None
    finished_at: str | None

    @property
    def is_finished(self) -> bool:
        """Whether nothing more comes of it."""
        return self.state in ("done", "failed")


def new_name() -> str:
    """A name for a job that nobody guesses."""
    return secrets.token_hex(12)


def queue(desk: Desk, asked: Asked, caller: Caller, *, name: str) -> tuple[Job, bool]:
    """Puts a job at the end of its lane; returns it, and whether it is new.

    The same Idempotency-Key with the same request gives the job that it gave before.
    One that failed as busy does not stand for it: it is queued anew.
    Raises: Problem where the key came with another request, and where too many jobs of the caller wait.
    """
    entities = None if caller.entities is None else json.dumps(sorted(caller.entities))
    with desk.writing() as state:
        known = None
        if asked.idempotency_key is not None:
            known = state.execute(
                "select * from api_jobs where key_id = ? and idempotency_key = ?",
                (caller.key_id, asked.idempotency_key),
            ).fetchone()
        if known is not None and known["problem"] is not None and json.loads(known["problem"])["status"] == _BUSY:
            # It was not its turn, and nothing was done: sent again, it is begun again.
            state.execute("update api_jobs set idempotency_key = null where job = ?", (known["job"],))
            known = None
        if known is not None:
            if known["digest"] != asked.digest:
                raise Problem(
                    422,
                    "the Idempotency-Key came with another request before",
                    where="header.Idempotency-Key",
                    mend="give each request a key of its own, and the same only when it is sent again",
                )
            return _job(known), False
        unfinished = state.execute(
            "select count(*) from api_jobs where key_id = ? and state in ('waiting', 'running')", (caller.key_id,)
        ).fetchone()[0]
        if unfinished >= MOST_WAITING:
            raise Problem(
                429,
                f"{unfinished} jobs of this key wait for their turn",
                mend="wait until some of them are done: see /v1/jobs",
                headers={"Retry-After": "30"},
            )
        state.execute(
            """
            insert into api_jobs
                (
                    job, number, kind, lane, state, key_id, entities, legal_entity, asked, digest, idempotency_key,
                    created_at
                )
            values (?, (select coalesce(max(number), 0) + 1 from api_jobs), ?, ?, 'waiting', ?, ?, ?, ?, ?, ?, ?)
            """,
            (
                name,
                asked.kind,
                asked.lane,
                caller.key_id,
                entities,
                asked.legal_entity,
                json.dumps(asked.what),
                asked.digest,
                asked.idempotency_key,
                _now(),
            ),
        )
        return _job(_row(state, name)), True


def of_name(desk: Desk, name: str) -> Job | None:
    """The job of that name, None where there is none."""
    with desk.reading() as state:
        row = _row(state, name)
    return None if row is None else _job(row)


def for_caller(desk: Desk, name: str, caller: Caller) -> Job:
    """The job, where it is the caller's own, or an administrator of all that it is about asks.

    Raises: Problem alike where there is none and where it is another's.
    """
    job = of_name(desk, name)
    if job is None or not may_see(job, caller):
        raise not_found(f"job {name}")
    return job


def may_see(job: Job, caller: Caller) -> bool:
    """Whether a job is the caller's to see: its own as long as its key has not become another's."""
    covers = caller.entities is None or (job.entities is not None and job.entities <= caller.entities)
    return covers and (job.key_id == caller.key_id or "admin" in caller.rights)


def listed(desk: Desk, caller: Caller, *, before: int | None, limit: int, state: str | None) -> list[Job]:
    """The jobs that a caller may see, the newest first."""
    with desk.reading() as connection:
        rows = connection.execute(
            "select * from api_jobs where number < ? and (? is null or state = ?) order by number desc",
            ((1 << 62) if before is None else before, state, state),
        )
        found = (job for job in map(_job, rows) if may_see(job, caller))
        return [job for job, _ in zip(found, range(limit), strict=False)]


def waiting(desk: Desk) -> int:
    """How many jobs are not done yet."""
    with desk.reading() as state:
        count: int = state.execute("select count(*) from api_jobs where state in ('waiting', 'running')").fetchone()[0]
    return count


def take(desk: Desk, lane: str) -> Job | None:
    """The first waiting job of a lane, running from now on."""
    with desk.writing() as state:
        row = state.execute(
            "select job from api_jobs where state = 'waiting' and lane = ? order by number limit 1", (lane,)
        ).fetchone()
        if row is None:
            return None
        state.execute(
            "update api_jobs set state = 'running', attempts = attempts + 1, started_at = ?, step = null where job = ?",
            (_now(), row["job"]),
        )
        return _job(_row(state, row["job"]))


def is_revoked(desk: Desk, job: Job) -> bool:
    """Whether the key that asked for a job was revoked since."""
    with desk.reading() as state:
        found = state.execute(
            "select 1 from api_keys where key_id = ? and revoked_at is not null", (job.key_id,)
        ).fetchone()
    return found is not None


def note(desk: Desk, name: str, *, before: dict[str, Any] | None = None, step: str | None = None) -> None:
    """Keeps what the ledger was before a job, or how far it has come."""
    with desk.writing() as state:
        if before is not None:
            state.execute("update api_jobs set before = ? where job = ?", (json.dumps(before), name))
        if step is not None:
            state.execute("update api_jobs set step = ? where job = ?", (step, name))


def finish(
    desk: Desk, name: str, *, result: dict[str, Any] | None = None, problem: dict[str, Any] | None = None
) -> None:
    """Says what came of a job."""
    with desk.writing() as state:
        state.execute(
            "update api_jobs set state = ?, result = ?, problem = ?, finished_at = ? where job = ?",
            (
                "done" if problem is None else "failed",
                None if result is None else json.dumps(result, default=str, ensure_ascii=False),
                None if problem is None else json.dumps(problem, ensure_ascii=False),
                _now(),
                name,
            ),
        )


def interrupted(desk: Desk) -> list[Job]:
    """The jobs that were running when the server before this one ended, in their order."""
    with desk.reading() as state:
        rows = state.execute("select * from api_jobs where state = 'running' order by number").fetchall()
    return [_job(row) for row in rows]


def wait_again(desk: Desk, name: str) -> None:
    """Puts a job back to where it waited."""
    with desk.writing() as state:
        state.execute("update api_jobs set state = 'waiting', step = null where job = ?", (name,))


def forget_old(desk: Desk) -> set[str]:
    """Forgets what was finished long ago; returns the names of the jobs that are not finished."""
    long_ago = (datetime.now(UTC) - KEPT).isoformat(timespec="milliseconds")
    with desk.writing() as state:
        state.execute("delete from api_jobs where state in ('done', 'failed') and finished_at < ?", (long_ago,))
        rows = state.execute("select job from api_jobs where state in ('waiting', 'running')").fetchall()
    return {row["job"] for row in rows}


def _row(state: sqlite3.Connection, name: str) -> Any:
    return state.execute("select * from api_jobs where job = ?", (name,)).fetchone()


def _job(row: Any) -> Job:
    def told(column: str) -> Any:
        return None if row[column] is None else json.loads(row[column])

    entities = told("entities")
    return Job(
        job=row["job"],
        number=row["number"],
        kind=row["kind"],
        lane=row["lane"],
        state=row["state"],
        key_id=row["key_id"],
        entities=None if entities is None else frozenset(entities),
        legal_entity=row["legal_entity"],
        asked=told("asked"),
        digest=row["digest"],
        attempts=row["attempts"],
        before=told("before"),
        step=row["step"],
        result=told("result"),
        problem=told("problem"),
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
