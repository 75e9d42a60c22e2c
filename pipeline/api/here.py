"""What endpoints share: the installation that is served, who asks, and how an answer waits for its job."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Header, Query, Request
from starlette.concurrency import run_in_threadpool

from pipeline.api import jobs, reads
from pipeline.api.cache import Cache
from pipeline.api.keys import Caller
from pipeline.api.models import Code
from pipeline.api.paging import LIMIT, MOST
from pipeline.api.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

    from pipeline.api.audit import Seen
    from pipeline.api.desk import Desk
    from pipeline.api.files import Made
    from pipeline.api.jobs import Asked, Job
    from pipeline.api.work import Work
    from pipeline.api.worker import Worker
    from pipeline.ledger.store import Store
    from pipeline.settings.settings import Settings

#: ledgers that are read at once: each takes memory and all cores
READERS = 8


@dataclass
class Here:
    """The installation that is served."""

    settings: Settings
    desk: Desk
    made: Made
    work: Work
    worker: Worker
    #: what was read of the ledger: pages of a list, and clients that ask for the same, share it
    cache: Cache = field(default_factory=Cache)
    readers: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(READERS))

    @contextmanager
    def ledger(self) -> Iterator[Store]:
        """Gives a snapshot of the ledger. It waits for other readers where there are many, never for the writer."""
        with self.readers:
            yield self.work.store()

    def today(self) -> date:
        """The day on the wall of the settings' time zone."""
        return datetime.now(self.settings.zone).date()


def here(request: Request) -> Here:
    """The installation of a request."""
    found: Here = request.app.state.here
    return found


def seen(request: Request) -> Seen:
    """What is noted of a request."""
    found: Seen = request.state.seen
    return found


def no_strangers(request: Request) -> None:
    """Raises: Problem for a parameter that is not known: spelt wrong, it would ask for more than is meant."""
    known = {param.alias for param in request.scope["route"].dependant.query_params}
    for name in request.query_params:
        if name not in known:
            raise Problem(
                422,
                f"there is no parameter {name[:80]}",
                where="query",
                mend=f"it takes {', '.join(sorted(known))}" if known else "it takes none",
            )


def needs(right: str) -> Callable[[Request], Caller]:
    """A dependency that gives the caller, where their key has the right. Raises: Problem where it has not."""

    def caller(request: Request) -> Caller:
        found: Caller = request.state.caller
        if right not in found.rights:
            raise Problem(
                403, f"the key does not have the right to {right}", mend=f"have one made with --right {right}"
            )
        return found

    return caller


def any_right(request: Request) -> Caller:
    """A dependency that gives the caller, whatever their key may do."""
    found: Caller = request.state.caller
    return found


Served = Annotated[Here, Depends(here)]
Noted = Annotated[Any, Depends(seen)]
Anyone = Annotated[Caller, Depends(any_right)]
Reader = Annotated[Caller, Depends(needs("read"))]
Exporter = Annotated[Caller, Depends(needs("export"))]
Poster = Annotated[Caller, Depends(needs("post"))]
Admin = Annotated[Caller, Depends(needs("admin"))]
Entity = Annotated[Code | None, Query(description="of this legal entity alone", examples=["FR01"])]
Limit = Annotated[int, Query(ge=1, le=MOST, description="rows of a page", examples=[LIMIT])]
CursorText = Annotated[
    str | None, Query(max_length=500, description="`next` of the page before", examples=["WzUwMCw0LCJhYmMiXQ"])
]
RunAsked = Annotated[
    int | None, Query(alias="as_of", ge=1, le=(1 << 53) - 1, description="the ledger as of this run", examples=[3])
]
Prefer = Annotated[
    str | None,
    Header(
        alias="Prefer",
        max_length=200,
        description="`respond-async`: do not wait, answer 202",
        examples=["respond-async"],
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="of the caller's choice; the same request with it is done once",
        examples=["2026-02-02-close-FR01"],
    ),
]


async def asked_for(
    served: Here, caller: Caller, noted: Seen, asked: Asked, *, name: str, prefer: str | None
) -> tuple[Job, bool]:
    """Queues a job and waits for it as long as the settings say; returns it as it stands, and whether it is new.

    Raises: Problem where it has failed by then.
    """
    job, is_new = await run_in_threadpool(jobs.queue, served.desk, asked, caller, name=name)
    noted.job, noted.legal_entity = job.job, job.legal_entity
    if is_new:
        served.worker.wake()
    is_async = prefer is not None and "respond-async" in prefer.lower()
    job = await served.worker.finished(job.job, 0 if is_async else served.settings.api.wait_seconds)
    if job.problem is not None:
        raise Problem.of_dict(job.problem)
    return job, is_new


async def demand_known(served: Here, caller: Caller, noted: Seen, entity: str, run: int | None) -> None:
    """Raises: Problem for a run that is not there, and alike for a legal entity that is not or is another key's."""
    noted.legal_entity = entity

    def look() -> None:
        with served.ledger() as store:
            reads.demand_entity(store, served.cache, caller, entity, reads.demand_run(store, run))

    await run_in_threadpool(look)
