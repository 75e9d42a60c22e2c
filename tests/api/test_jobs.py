"""Jobs over the end of a server: what was cut off is done once, or told."""

from __future__ import annotations

import json
import time
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from pipeline.api import jobs, keys
from pipeline.api.app import create_app
from pipeline.api.desk import desk
from pipeline.api.files import Made
from pipeline.api.jobs import Asked, Job
from pipeline.api.keys import Caller
from pipeline.api.problems import Problem
from pipeline.api.work import BATCH, CANCEL, EXPORT, Work
from pipeline.api.worker import Worker
from pipeline.errors import StateError, StoreBusyError
from pipeline.exports import record
from pipeline.ledger.store import Store
from tests.support import advance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.api.desk import Desk
    from tests.api.support import Served

ANYBODY = Caller("key", "test", frozenset({"post"}), None)


@pytest.fixture
def opened(company: Served) -> Iterator[Desk]:
    with desk(company.settings.state) as state:
        yield state


def queued(state: Desk, kind: str, what: dict[str, Any], name: str | None = None) -> Job:
    asked = Asked(kind, jobs.WRITE, what, "digest", "FR01")
    job, _ = jobs.queue(state, asked, ANYBODY, name=name or jobs.new_name())
    return job


def working(company: Served) -> Work:
    return Work(company.settings, Made(company.settings.state))


def begun(state: Desk, work: Work) -> Job:
    """Takes the first job as a worker does, up to where it is done."""
    job = jobs.take(state, jobs.WRITE)
    assert job is not None
    jobs.note(state, job.job, before=work.before(job))
    found = jobs.of_name(state, job.job)
    assert found is not None
    return found


def after_the_start(company: Served, name: str) -> Job:
    """Starts a server over what another one left, and gives what becomes of a job."""
    with company.serving() as client:
        deadline = time.monotonic() + 30
        while client.get(f"/v1/jobs/{name}").json()["state"] not in ("done", "failed"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    with desk(company.settings.state) as state:
        found = jobs.of_name(state, name)
    assert found is not None
    return found


EXPORTED = {
    "profile": None,
    "format": "json",
    "legal_entity": "FR01",
    "from": None,
    "through": None,
    "on": "2026-03-01",
    "as_of": None,
    "as_of_date": None,
    "account": None,
}


def brought(company: Served, work: Work, name: str) -> None:
    """Puts a batch where a request leaves it."""
    folder = work.folder(name)
    folder.mkdir(parents=True)
    header, cells = zip(*advance("A9").items(), strict=True)
    (folder / "advances.csv").write_text(f"{','.join(header)}\n{','.join(cells)}\n", encoding="utf-8")


@pytest.mark.slow
def test_a_batch_that_waited_is_posted_after_the_next_start(company: Served, opened: Desk) -> None:
    work, name = working(company), jobs.new_name()
    brought(company, work, name)
    queued(opened, BATCH, {"on": "2026-03-01"}, name)
    job = after_the_start(company, name)
    assert job.state == "done"
    assert job.result is not None
    assert (job.result["run"], job.result["entries"][0]["amount"]) == (3, "50.0000")
    assert not work.folder(name).exists()


def test_a_batch_that_was_posted_and_not_told_is_told_and_not_posted_again(company: Served, opened: Desk) -> None:
    work, name = working(company), jobs.new_name()
    brought(company, work, name)
    queued(opened, BATCH, {"on": "2026-03-01"}, name)
    said = work.do(begun(opened, work), lambda _: None)
    job = after_the_start(company, name)
    assert job.result == said | {"notes": []}
    assert Store.open(company.store).run == 3


@pytest.mark.slow
def test_a_batch_that_was_cut_off_before_its_commit_is_posted_once(company: Served, opened: Desk) -> None:
    work, name = working(company), jobs.new_name()
    brought(company, work, name)
    queued(opened, BATCH, {"on": "2026-03-01"}, name)
    begun(opened, work)
    job = after_the_start(company, name)
    assert (job.state, job.attempts) == ("done", 2)
    assert Store.open(company.store).run == 3


@pytest.mark.slow
def test_an_export_that_was_made_and_not_told_is_told_and_not_made_again(company: Served, opened: Desk) -> None:
    work = working(company)
    name = queued(opened, EXPORT, EXPORTED).job
    said = work.do(begun(opened, work), lambda _: None)
    job = after_the_start(company, name)
    assert json.loads(json.dumps(job.result)) == said
    assert record.next_number(Store.open(company.store)) == 4


def test_an_export_that_was_cut_off_before_its_commit_is_made_once(company: Served, opened: Desk) -> None:
    work = working(company)
    name = queued(opened, EXPORT, EXPORTED).job
    begun(opened, work)
    job = after_the_start(company, name)
    assert job.result is not None
    assert job.result["number"] == 3


@pytest.mark.slow
def test_a_cancellation_is_done_once(company: Served, opened: Desk) -> None:
    work = working(company)
    name = queued(opened, CANCEL, {"export": 1}).job
    work.do(begun(opened, work), lambda _: None)
    assert after_the_start(company, name).state == "done"


def test_what_ends_the_server_again_and_again_is_given_up(company: Served, opened: Desk) -> None:
    work = working(company)
    name = queued(opened, EXPORT, EXPORTED).job
    for _ in range(3):
        begun(opened, work)
        jobs.wait_again(opened, name)
    jobs.take(opened, jobs.WRITE)
    job = after_the_start(company, name)
    assert job.state == "failed"
    assert job.problem is not None
    assert "ended" in job.problem["detail"]
    assert record.next_number(Store.open(company.store)) == 3


def test_what_cannot_be_looked_up_is_not_done_again(
    company: Served, opened: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = working(company)
    name = queued(opened, EXPORT, EXPORTED).job
    begun(opened, work)

    def fails(*_: Any) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(Work, "found", fails)
    job = after_the_start(company, name)
    assert job.problem is not None
    assert "cannot be told" in job.problem["detail"]
    assert record.next_number(Store.open(company.store)) == 3


@pytest.mark.slow
def test_another_writer_is_waited_for(company: Served, opened: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    work = working(company)
    name = queued(opened, EXPORT, EXPORTED).job
    real, tries = work.do, []

    def busy(job: Job, progress: Any) -> Any:
        tries.append(job.job)
        if len(tries) < 3:
            raise StoreBusyError("another process is writing")
        return real(job, progress)

    monkeypatch.setattr(work, "do", busy)
    worker = Worker(opened, work)
    worker.start()
    deadline = time.monotonic() + 30
    while not (found := jobs.of_name(opened, name)) or not found.is_finished:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    worker.stop()
    assert (len(tries), found.state) == (3, "done")


@pytest.mark.slow
def test_a_writer_that_goes_on_for_too_long_fails_the_job(
    company: Served, opened: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = working(company)
    name = queued(opened, EXPORT, EXPORTED).job

    def busy(*_: Any) -> Any:
        raise StoreBusyError("another process is writing")

    monkeypatch.setattr(work, "do", busy)
    worker = Worker(opened, work, busy_seconds=0.0)
    worker.start()
    deadline = time.monotonic() + 30
    while not (found := jobs.of_name(opened, name)) or not found.is_finished:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    worker.stop()
    assert found.problem is not None
    assert found.problem["status"] == 503


def test_jobs_are_done_in_their_order(company: Served, opened: Desk) -> None:
    names = [queued(opened, EXPORT, EXPORTED | {"on": f"2026-03-0{number}"}).job for number in range(1, 4)]
    taken = []
    while (job := jobs.take(opened, jobs.WRITE)) is not None:
        taken.append(job.job)
    assert taken == names


def test_what_no_job_brings_is_swept(company: Served, opened: Desk) -> None:
    work = working(company)
    brought(company, work, "0" * 24)
    brought(company, work, "1" * 24)
    queued(opened, BATCH, {"on": "2026-03-01"}, "1" * 24)
    work.sweep(jobs.forget_old(opened))
    assert not work.folder("0" * 24).exists()
    assert work.folder("1" * 24).exists()


def test_a_state_has_one_server(company: Served) -> None:
    with company.serving() as client:
        assert client.get("/v1/ready").status_code == 200
        with pytest.raises(StateError, match="another"), TestClient(create_app(company.settings)):
            pass


def finished(worker: Worker, opened: Desk, name: str) -> Job:
    """What becomes of a job that a worker does."""
    worker.start()
    deadline = time.monotonic() + 30
    while not (found := jobs.of_name(opened, name)) or not found.is_finished:
        assert time.monotonic() < deadline, "the job is not finished in time"
        time.sleep(0.02)
    worker.stop()
    return found


def test_an_export_whose_files_could_not_be_kept_is_told_as_recorded(
    company: Served, opened: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Made, "keep", full)
    job = finished(Worker(opened, working(company)), opened, queued(opened, EXPORT, EXPORTED).job)
    assert job.problem is None
    assert job.result is not None
    assert job.result["number"] == 3


def test_an_export_whose_files_could_not_be_named_is_told_as_recorded(
    company: Served, opened: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.exports.export.make_durable", full)
    job = finished(Worker(opened, working(company)), opened, queued(opened, EXPORT, EXPORTED).job)
    assert job.problem is None
    assert job.result is not None
    assert job.result["number"] == 3


class _Panic(BaseException):
    """As polars panics: no Exception."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_panic_fails_its_job_and_the_next_one_is_done(
    company: Served, opened: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, real = working(company), Work.do
    first, second = (queued(opened, EXPORT, EXPORTED | {"on": on}).job for on in ("2026-03-01", "2026-03-02"))

    def panics(job: Job, progress: Any) -> Any:
        if job.job == first:
            raise _Panic
        return real(work, job, progress)

    monkeypatch.setattr(work, "do", panics)
    assert finished(Worker(opened, work), opened, second).state == "done"
    failed = jobs.of_name(opened, first)
    assert failed is not None
    assert failed.problem is not None
    assert failed.problem["status"] == 500


def test_a_job_that_cannot_be_written_down_is_written_down_later(
    company: Served, opened: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, tries = jobs.finish, []

    def fails(*args: Any, **said: Any) -> None:
        tries.append(args)
        if len(tries) == 1:
            raise StateError("the disk is full")
        real(*args, **said)

    monkeypatch.setattr("pipeline.api.worker._PAUSE", 0.05)
    monkeypatch.setattr(jobs, "finish", fails)
    job = finished(Worker(opened, working(company)), opened, queued(opened, EXPORT, EXPORTED).job)
    assert (job.state, len(tries)) == ("done", 2)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_row_that_cannot_be_read_does_not_end_the_writer(
    company: Served, opened: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, tries = jobs.take, []

    def fails(state: Desk, lane: str) -> Job | None:
        tries.append(lane)
        if tries.count(lane) == 1:
            raise ValueError("no JSON")
        return real(state, lane)

    monkeypatch.setattr("pipeline.api.worker._PAUSE", 0.05)
    monkeypatch.setattr(jobs, "take", fails)
    name = queued(opened, EXPORT, EXPORTED).job
    assert finished(Worker(opened, working(company)), opened, name).state == "done"


def test_an_idempotency_key_whose_job_failed_as_busy_begins_anew(opened: Desk) -> None:
    asked = Asked(EXPORT, jobs.WRITE, EXPORTED, "digest", "FR01", "january")
    first, _ = jobs.queue(opened, asked, ANYBODY, name="a")
    jobs.finish(opened, "a", problem={"status": 409, "detail": "there is no SIREN"})
    assert jobs.queue(opened, asked, ANYBODY, name="b") == (jobs.of_name(opened, first.job), False)
    jobs.finish(opened, "a", problem={"status": 503, "detail": "another process is writing"})
    again, is_new = jobs.queue(opened, asked, ANYBODY, name="c")
    assert (again.job, is_new) == ("c", True)
    assert jobs.queue(opened, asked, ANYBODY, name="d")[0].job == "c"


def test_so_many_jobs_of_a_key_wait_and_no_more(opened: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MOST_WAITING", 2)
    for _ in range(2):
        queued(opened, EXPORT, EXPORTED)
    with pytest.raises(Problem) as refused:
        queued(opened, EXPORT, EXPORTED)
    assert (refused.value.status_code, refused.value.headers) == (429, {"Retry-After": "30"})


def test_a_state_that_could_not_commit_is_written_to_again(opened: Desk) -> None:
    with opened.writing():
        pass
    opened._writer.execute("begin immediate")
    queued(opened, EXPORT, EXPORTED)
    assert jobs.waiting(opened) == 1


def test_an_export_that_is_recorded_and_called_busy_is_told_as_recorded(
    company: Served, opened: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, tries = working(company), []
    real = work.do

    def busy(job: Job, progress: Any) -> Any:
        tries.append(real(job, progress))
        raise StoreBusyError("another process is writing")

    monkeypatch.setattr(work, "do", busy)
    job = finished(Worker(opened, work), opened, queued(opened, EXPORT, EXPORTED).job)
    assert job.result is not None
    assert (job.result["number"], len(tries)) == (3, 1)


def test_what_a_revoked_key_asked_for_and_waits_is_not_done(company: Served, opened: Desk) -> None:
    token = company.key()
    with opened.reading() as state:
        caller = keys.find(state, token, date(2026, 3, 1))
    assert caller is not None
    jobs.queue(opened, Asked(EXPORT, jobs.WRITE, EXPORTED, "digest", "FR01"), caller, name="a")
    with opened.writing() as state:
        keys.revoke(state, caller.key_id)
    job = finished(Worker(opened, working(company)), opened, "a")
    assert job.problem is not None
    assert job.problem["status"] == 401
    assert record.next_number(Store.open(company.store)) == 3
