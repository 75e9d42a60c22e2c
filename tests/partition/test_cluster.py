"""A run on several processes: the same bytes, whatever dies meanwhile."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from pipeline import run as pipeline_run
from pipeline.cli import main
from pipeline.errors import RunError, UsageError
from pipeline.ledger.check import check
from pipeline.ledger.place import place_of
from pipeline.ledger.store import Store
from pipeline.partition import engines
from pipeline.partition.part import Part, _session, software
from pipeline.run import RunResult
from tests.servers.dask_cluster import dask_cluster

ON = date(2026, 6, 1)
KILLS = 50
A_PART = Part(0, 2, "", -1, 1, ON, {}, [], {}, [], 0, software())

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample company's tables."""
    folder = tmp_path_factory.mktemp("sample")
    CliRunner().invoke(main, ["sample", "--out", str(folder), "--parquet"], catch_exceptions=False)
    return folder


@pytest.fixture(scope="module")
def whole(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """What a run of the first batch says that one process takes whole."""
    return take(sample, tmp_path_factory.mktemp("whole") / "store", parts=1)


def take(sample: Path, store: Path, **options: Any) -> RunResult:
    return pipeline_run.run(sample / "reference", sample / "batch-1", store, on=ON, **options)


def left_over(store: Path) -> list[Path]:
    return list(store.glob("kind=_work/*"))


def workers(of: Sequence[psutil.Process] = ()) -> list[psutil.Process]:
    """The processes that this one has started for tasks. of: those that have, if others."""
    found = []
    for one in [child for process in of or [psutil.Process()] for child in process.children(recursive=True)]:
        try:
            if "spawn_main" in " ".join(one.cmdline()):
                found.append(one)
        except psutil.Error:  # it has just ended
            continue
    return found


@contextmanager
def killing(chance: random.Random, least: float, most: float, times: int = KILLS) -> Iterator[list[int]]:
    """Kills one of the workers at random moments, so many times; gives the ids of those that were."""
    ended = threading.Event()
    killed: list[int] = []

    def kill() -> None:
        while len(killed) < times and not ended.wait(chance.uniform(least, most)):
            alive = workers()
            if alive:
                victim = chance.choice(alive)
                try:
                    victim.send_signal(signal.SIGKILL)
                except psutil.NoSuchProcess:
                    continue
                killed.append(victim.pid)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


def test_processes_write_what_one_writes(sample: Path, whole: RunResult, tmp_path: Path) -> None:
    store = tmp_path / "store"
    options = ["--workers", "2", "--parts", "5", "--on", ON.isoformat()]
    given = ["--reference", sample / "reference", "--batch", sample / "batch-1", "--store", store]
    result = CliRunner().invoke(main, ["run", *map(str, given), *options, "--json"])
    assert result.exit_code == 3, result.output
    assert f'"chain_digest": "{whole.chain_digest}"' in result.stdout
    assert not left_over(store)
    assert not workers()


def test_no_death_of_a_worker_changes_a_byte(
    sample: Path, whole: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance, kills = random.Random(6), 0
    with engines.local(2) as cluster:
        monkeypatch.setattr(pipeline_run, "_engine", lambda *_: nullcontext(cluster))
        while kills < KILLS:
            store = tmp_path / f"store-{kills}"
            with killing(chance, 1.0, 6.0) as killed:
                made = take(sample, store, parts=6)
            kills += len(killed)
            assert made.chain_digest == whole.chain_digest
            assert made.rows == whole.rows
            assert not left_over(store)
            assert check(Store.open(store)) == []
            shutil.rmtree(store)


def test_a_worker_may_die_while_it_starts(sample: Path, whole: RunResult, tmp_path: Path) -> None:
    with killing(random.Random(1), 0.1, 0.4, times=3) as killed:
        made = take(sample, tmp_path / "store", workers=2, parts=4)
    assert len(killed) == 3
    assert made.chain_digest == whole.chain_digest


def die(_: object) -> None:
    """As a task that takes more memory than there is."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_part_of_which_workers_die_again_and_again_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_DEATHS", 1)
    with engines.local(1) as cluster, pytest.raises(RunError, match="workers of the cluster died"):
        list(cluster.each(die, [None]))


def fill_the_disk(_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_a_task_raises_is_not_taken_for_the_death_of_the_scheduler() -> None:
    with engines.local(1) as cluster:
        with pytest.raises(OSError, match="No space left on device"):
            list(cluster.each(fill_the_disk, [None, None]))
        assert list(cluster.each(str, [1])) == ["1"]


def fail(_: object) -> None:
    message = "No module named 'lettrage'"
    raise ModuleNotFoundError(message)


def test_what_a_worker_fails_of_is_said_without_a_traceback() -> None:
    with (
        engines.local(1) as cluster,
        pytest.raises(RunError, match=r"a worker of the cluster failed \(ModuleNotFoundError: No module named"),
    ):
        list(cluster.each(fail, [None]))


def spill(told: Path) -> None:
    """As a part that is killed while it holds its session open."""
    session = _session(place_of(told.parent / "store"), A_PART)
    told.write_text(str(session.scratch))
    assert session.scratch.is_dir()
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_part_spills_goes_with_its_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_DEATHS", 1)
    told = tmp_path / "told"
    with engines.local(1) as cluster, pytest.raises(RunError, match="workers of the cluster died 2 times"):
        list(cluster.each(spill, [told]))
    assert not Path(told.read_text()).exists()
    assert engines.worker_directory() is None


def test_a_scheduler_that_asks_for_certificates_is_named(sample: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"for tls:// configure distributed\.comm\.tls"):
        take(sample, tmp_path / "store", cluster="tls://127.0.0.1:9")


def test_processes_that_nobody_needs_are_not_started(
    sample: Path, whole: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_started", None)
    assert take(sample, tmp_path / "store", workers=2, parts=1).chain_digest == whole.chain_digest


def test_no_death_of_a_worker_of_a_cluster_changes_a_byte(sample: Path, whole: RunResult, tmp_path: Path) -> None:
    store = tmp_path / "store"
    killed = []
    with dask_cluster(tmp_path, 2) as cluster:
        nannies = [psutil.Process(worker.pid) for worker in cluster.workers]

        def step(said: str) -> None:
            if said in ("post, part 1 of 6", "post, part 4 of 6", "write, part 1 of 6"):
                victim = workers(nannies)[0]
                victim.send_signal(signal.SIGKILL)
                killed.append(said)

        made = take(sample, store, cluster=cluster.address, parts=6, progress=step)
    assert len(killed) == 3
    assert made.chain_digest == whole.chain_digest
    assert not left_over(store)
    assert check(Store.open(store)) == []


def test_a_cluster_that_somebody_started_takes_a_run(sample: Path, whole: RunResult, tmp_path: Path) -> None:
    with dask_cluster(tmp_path, 2) as cluster:
        store = tmp_path / "store"
        assert take(sample, store, cluster=cluster.address, parts=5).chain_digest == whole.chain_digest
        assert not left_over(store)


@pytest.mark.parametrize("moment", ["post, part 2 of 4", "number", "write, part 1 of 4"])
def test_the_death_of_the_scheduler_ends_the_run_and_leaves_the_ledger(
    moment: str, sample: Path, whole: RunResult, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    with dask_cluster(tmp_path, 2) as cluster:

        def step(said: str) -> None:
            if said == moment:
                cluster.kill_scheduler()

        with pytest.raises(RunError, match="the scheduler of the cluster is gone"):
            take(sample, store, cluster=cluster.address, parts=4, progress=step)
    assert Store.open(store, create=True).run == 0
    assert not left_over(store)
    assert take(sample, store).chain_digest == whole.chain_digest


def test_a_scheduler_that_is_not_there_is_named(sample: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"tcp://127.0.0.1:9: there is no scheduler here"):
        take(sample, tmp_path / "store", cluster="tcp://127.0.0.1:9")


def test_a_scheduler_without_workers_is_named(sample: Path, tmp_path: Path) -> None:
    with dask_cluster(tmp_path, 0) as cluster, pytest.raises(RunError, match="the scheduler has no workers"):
        take(sample, tmp_path / "store", cluster=cluster.address)


def test_workers_are_given_once(sample: Path, tmp_path: Path) -> None:
    given = ["--reference", str(sample), "--batch", str(sample), "--store", str(tmp_path / "store")]
    result = CliRunner().invoke(main, ["run", *given, "--cluster", "tcp://127.0.0.1:9", "--workers", "2"])
    assert result.exit_code == 2
    assert "--cluster has workers of its own: leave out --workers" in result.stderr
