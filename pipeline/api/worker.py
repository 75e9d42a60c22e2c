"""The threads that do the jobs: one writes to the ledger, one makes previews. Requests wait for them, never they."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from pipeline.api import jobs
from pipeline.api.problems import Problem, of_error
from pipeline.errors import BrokenReferenceError, InvariantError, LettrageError, StoreBusyError
from pipeline.watch import logs

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.api.desk import Desk
    from pipeline.api.jobs import Job
    from pipeline.api.work import Work

#: how often a job is begun before it is given up: whatever ends the server may be the job itself
_ATTEMPTS = 3
#: seconds for which another process may write the ledger before a job fails
_BUSY = 600.0
#: seconds that the end of a server waits for the job under way; what is cut off is done after the next start
_LAST_JOB = 20.0
#: what a key of some legal entities is told in place of rows of the whole group
_SAID: dict[type[LettrageError], str] = {
    BrokenReferenceError: "the reference tables contradict themselves, so that no document can be judged",
    InvariantError: "what the run made breaks an invariant of the ledger",
}
_MEND_BROKEN = "have somebody look at it who may see all of them; nothing was posted"
#: seconds after which a thread looks again by itself, and after which old jobs are forgotten
_PAUSE, _DAY = 5.0, 86_400.0


class Worker:
    """Does the jobs of a state. work: what each kind of job does."""

    def __init__(self, desk: Desk, work: Work, *, busy_seconds: float = _BUSY) -> None:
        self._desk, self._work, self._busy = desk, work, busy_seconds
        self._turn = threading.Condition()
        self._is_over = False
        #: how often it was said that there is a new job: one that comes while a thread looks is not slept over
        self._woken = 0
        self._waiting: dict[str, list[Callable[[], Any]]] = {}
        self._threads = [
            threading.Thread(target=self._run, args=(lane,), name=f"lettrage-{lane}", daemon=True)
            for lane in (jobs.WRITE, jobs.PREVIEW)
        ]

    def start(self) -> None:
        """Looks after what the server before left unfinished, then begins."""
        self._work.sweep(jobs.forget_old(self._desk))
        for job in jobs.interrupted(self._desk):
            self._resume(job)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends after the job under way, or leaves it: killed at any moment, it is done or not begun."""
        with self._turn:
            self._is_over = True
            self._turn.notify_all()
        until = time.monotonic() + _LAST_JOB
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def wake(self) -> None:
        """Says that there is a new job."""
        with self._turn:
            self._woken += 1
            self._turn.notify_all()

    async def finished(self, name: str, seconds: float) -> Job:
        """The job once it is finished, or as it stands after some seconds; no thread waits for it."""
        done, loop = asyncio.Event(), asyncio.get_running_loop()

        def tell() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(done.set)

        with self._turn:
            self._waiting.setdefault(name, []).append(tell)
        try:
            job = await run_in_threadpool(jobs.of_name, self._desk, name)
            if seconds > 0 and job is not None and not job.is_finished:
                with suppress(TimeoutError):
                    await asyncio.wait_for(done.wait(), seconds)
                job = await run_in_threadpool(jobs.of_name, self._desk, name)
        finally:
            with self._turn:
                left = [one for one in self._waiting.pop(name, []) if one is not tell]
                if left:
                    self._waiting[name] = left
        if job is None:
            raise Problem(404, f"job {name} was forgotten meanwhile")
        return job

    def _run(self, lane: str) -> None:
        swept = time.monotonic()
        while not self._ended():
            with self._turn:
                woken = self._woken
            try:
                job = jobs.take(self._desk, lane)
            except LettrageError as error:
                logs.log().error("no job can be taken", what=error.what)
                job = None
            except Exception as error:  # noqa: BLE001 - whatever it is, the thread has to go on: nobody else does jobs
                logs.crashed(error, lane=lane)
                job = None
            if job is None:
                with self._turn:
                    self._turn.wait_for(lambda: self._is_over or self._woken != woken, _PAUSE)  # noqa: B023 - at once
                if lane == jobs.WRITE and time.monotonic() - swept > _DAY:
                    swept = time.monotonic()
                    self._forget()
                continue
            self._do(job)

    def _ended(self) -> bool:
        with self._turn:
            return self._is_over

    def _forget(self) -> None:
        """Forgets jobs of long ago, once a day. What requests are just bringing stays: no job has it yet."""
        try:
            jobs.forget_old(self._desk)
        except LettrageError as error:
            logs.log().error("old jobs not forgotten", what=error.what)

    def _resume(self, job: Job) -> None:
        """What becomes of a job that was cut off: it is done, or it is begun again; it is never done twice."""
        try:
            result = self._work.found(job)
        except Exception as error:  # noqa: BLE001 - whatever it is, the server has to start and nothing is done twice
            logs.log().error("job not looked up", job=job.job, what=str(error))
            unclear = Problem(
                500,
                "the server ended while it did this, and whether it is done cannot be told: the ledger cannot be read",
                mend="mend the ledger (`lettrage check`), then look in /v1/runs and /v1/exports before asking again",
            )
            self._finish(job, problem=unclear)
            return
        if result is not None:
            self._finish(job, result=result)
        elif job.attempts >= _ATTEMPTS:
            given_up = Problem(
                500,
                f"the server ended {job.attempts} times while it did this; the ledger is as it was",
                mend="look at the server's log and memory, then ask again",
            )
            self._finish(job, problem=given_up)
        else:
            jobs.wait_again(self._desk, job.job)

    def _do(self, job: Job) -> None:
        with logs.bound(job=job.job, kind=job.kind):
            until = time.monotonic() + self._busy
            while True:
                try:
                    self._demand_key(job)
                    # What fails after its commit is found by that.
                    job = replace(job, before=self._work.before(job))
                    jobs.note(self._desk, job.job, before=job.before)
                    result = self._work.do(job, partial(self._step, job.job))
                except StoreBusyError as error:
                    if self._again(job, error, until):
                        continue
                except Problem as problem:
                    self._finish(job, problem=problem)
                except (BrokenReferenceError, InvariantError) as error:
                    # It names rows of the whole group.
                    said: LettrageError = error
                    if job.entities is not None:
                        logs.log().error("job failed", job=job.job, what=error.what, where=error.where)
                        said = type(error)(_SAID[type(error)], mend=_MEND_BROKEN)
                    self._failed(job, of_error(said, self._work.settings))
                except LettrageError as error:
                    self._failed(job, of_error(error, self._work.settings))
                except BaseException as error:  # noqa: BLE001 - one job's fault (a panic of polars is no Exception) must not end the thread that does all
                    logs.crashed(error, job=job.job)
                    self._failed(job, of_error(error, self._work.settings))
                else:
                    self._finish(job, result=result)
                return

    def _demand_key(self, job: Job) -> None:
        if jobs.is_revoked(self._desk, job):
            raise Problem(401, "the key was revoked before it was the turn of this; nothing was done")

    def _again(self, job: Job, error: StoreBusyError, until: float) -> bool:
        """Whether a job is tried again for which another process did not make room. until: when it is given up."""
        # A bucket may say so of a commit that it took, and whose answer was lost.
        made = self._looked_up(job)
        if made is not None:
            self._finish(job, result=made)
            return False
        if self._ended():
            return False  # it waits in the state, and is taken up after the next start
        if time.monotonic() >= until:
            self._finish(job, problem=of_error(error, self._work.settings))
            return False
        with suppress(LettrageError):  # the next try says it
            self._step(job.job, "waiting for another writer")
        time.sleep(0.2)
        return True

    def _step(self, name: str, step: str) -> None:
        jobs.note(self._desk, name, step=step)

    def _looked_up(self, job: Job) -> dict[str, Any] | None:
        """What a job has done to the ledger before it failed, None where it cannot be told."""
        try:
            return self._work.found(job)
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread has to go on
            logs.log().error("job not looked up", job=job.job, what=str(error))
            return None

    def _failed(self, job: Job, problem: Problem) -> None:
        """Says that a job failed, unless it did so after its commit: what is in the ledger is done."""
        result = self._looked_up(job)
        if result is None:
            self._finish(job, problem=problem)
        else:
            self._finish(job, result=result)

    def _finish(self, job: Job, *, result: dict[str, Any] | None = None, problem: Problem | None = None) -> None:
        said = None if problem is None else problem.as_dict()
        while True:
            try:
                jobs.finish(self._desk, job.job, result=result, problem=said)
                break
            except LettrageError as error:
                logs.log().error("job not written down", job=job.job, what=error.what)
                if self._ended():
                    return  # it is looked up after the next start
            # Without the state no other job can be taken: this one is told as soon as it is there again.
            with self._turn:
                self._turn.wait_for(lambda: self._is_over, _PAUSE)
        logs.log().info("job finished", job=job.job, kind=job.kind, failed=problem is not None)
        self._work.clear(job)
        with self._turn:
            waiting = self._waiting.get(job.job, [])
            for tell in waiting:
                tell()
