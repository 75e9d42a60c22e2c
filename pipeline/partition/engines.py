"""Who takes the parts of a run: this process, processes of this machine, or a cluster of Dask.

An engine takes tasks at least once: what a process that died had begun is begun anew elsewhere. It needs no data but
the names that tasks tell one another; the files are in the store's place, which every worker must reach.
"""

from __future__ import annotations

import logging
import os
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pipeline.errors import RunError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: times that a worker may die of one task, or while it has it, before the run gives up
_DEATHS = 20
#: times that processes are started before the run gives up
_STARTS = 10
#: seconds after which a look is taken at whether there are workers, and for which there may be none
_LOOK, _ALONE = 5, 120
_LOGGERS = ("asyncio", "distributed", "distributed.client", "distributed.core", "distributed.nanny")
_MEND = "the ledger is as it was: give the command again"
#: where Linux says what a container may take, by its control groups of today and of before
_CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))

Task = TypeVar("Task")
Done = TypeVar("Done")


class Engine(Protocol):
    """Takes tasks."""

    @property
    def workers(self) -> int:
        """How many tasks are taken at the same time."""

    @property
    def memory(self) -> int | None:
        """Bytes that there are for a task; None where nobody has said."""

    def each(self, take: Callable[[Task], Done], tasks: Sequence[Task]) -> Iterator[Done]:
        """Takes each task, the first ones first; gives what came of them, each once, as they are done."""


class Here:
    """Tasks are taken by this process, one after the other."""

    workers = 1
    memory = None

    def each(self, take: Callable[[Task], Done], tasks: Sequence[Task]) -> Iterator[Done]:
        """Takes each task in turn."""
        yield from map(take, tasks)


class Cluster:
    """The workers of a Dask scheduler. client: connected to it. workers, memory: as an engine's."""

    def __init__(self, client: Any, workers: int, memory: int | None) -> None:
        self._client = client
        self.workers = workers
        self.memory = memory

    def each(self, take: Callable[[Task], Done], tasks: Sequence[Task]) -> Iterator[Done]:
        """Has the workers take the tasks.

        Raises: what a task raises; RunError where workers keep dying, there are none any more, or the scheduler is
        gone.
        """
        distributed = _library()
        futures = [self._client.submit(take, task, pure=False, priority=-number) for number, task in enumerate(tasks)]
        done: Queue[Any] = Queue()
        failed: BaseException | None = None
        try:
            for future in futures:
                future.add_done_callback(done.put)
            for _ in futures:
                one = self._first(done)
                # A worker's disk may be full, say: that is no word of the scheduler.
                failed = one.exception() if one.status == "error" else None
                if failed is not None and not isinstance(failed, distributed.scheduler.KilledWorker):
                    break
                yield one.result()
        except distributed.scheduler.KilledWorker:
            raise RunError(
                f"workers of the cluster died {_DEATHS} times over a part of this run",
                where="cluster",
                mend=f"{_MEND}, with more memory for each worker, or a lower --memory-limit so that parts are smaller",
            ) from None
        except (OSError, CancelledError, TimeoutError) as error:
            raise RunError(
                f"the scheduler of the cluster is gone ({type(error).__name__})", where="cluster", mend=_MEND
            ) from None
        finally:
            for future in futures:
                future.release()
        if failed is not None:
            raise failed

    def _first(self, done: Queue[Any]) -> Any:
        """The next task that is done. Raises: RunError where there is nobody who could do one."""
        alone = 0
        while alone < _ALONE:
            try:
                return done.get(timeout=_LOOK)
            except Empty:
                alone = 0 if self._client.nthreads() else alone + _LOOK
        raise RunError(f"the cluster has had no workers for {_ALONE} seconds", where="cluster", mend=_MEND)


@contextmanager
def local(workers: int) -> Iterator[Cluster]:
    """Starts so many processes on this machine, of a thread each, that speak to this one over TLS on the loopback.

    Raises: UsageError where Dask is not installed.
    """
    distributed = _library()
    with (
        _quiet(),
        _started(distributed, workers) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        # What watches over a process starts it again when it dies, but gives up on one that dies while it starts.
        cluster.adapt(minimum=workers, maximum=workers)
        yield Cluster(client, workers, machine_memory() // (workers + 1))


def _started(distributed: Any, workers: int) -> Any:
    """A cluster of processes; one that dies while it starts has all of them started anew."""
    for left in reversed(range(_STARTS)):
        try:
            return distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",
                security=True,
                host="127.0.0.1",
                memory_limit=None,
                silence_logs=logging.CRITICAL,
            )
        except RuntimeError as error:
            if not left:
                raise RunError(
                    f"the processes that --workers asks for do not start ({error})", where="cluster", mend=_MEND
                ) from None
    raise AssertionError


@contextmanager
def remote(address: str) -> Iterator[Cluster]:
    """Connects to the scheduler at an address, as `tcp://scheduler:8786` or `tls://…`.

    Raises: UsageError where Dask is not installed or nobody answers, RunError where there are no workers.
    """
    distributed = _library()
    with _quiet():
        try:
            client = distributed.Client(address, timeout="10s", set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise UsageError(
                f"there is no scheduler here ({(str(error).splitlines() or [type(error).__name__])[0]})",
                where=address,
                mend="start one with `dask scheduler` and workers with `dask worker`, or name another address",
            ) from None
        with client:
            found = client.scheduler_info(n_workers=-1)["workers"].values()
            if not found:
                raise RunError("the scheduler has no workers", where=address, mend="start some with `dask worker`")
            memory = min((one["memory_limit"] or 0) // one["nthreads"] for one in found)
            yield Cluster(client, sum(one["nthreads"] for one in found), memory or None)


def machine_memory() -> int:
    """The memory of this machine, or of the container that this process is in, in bytes."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CONTAINER_LIMITS:
        try:
            found.append(int(path.read_text()))
        except (OSError, ValueError):  # no container, or one that sets no limit: `max`
            continue
    return min(found)


def _library() -> Any:
    try:
        import dask  # noqa: PLC0415 - an extra
        import distributed  # noqa: PLC0415 - likewise
    except ImportError:
        raise UsageError(
            "a run on several processes needs Dask",
            mend="pip install 'lettrage[cluster]', or leave out --workers and --cluster",
        ) from None
    dask.config.set(
        {
            "distributed.scheduler.allowed-failures": _DEATHS,
            # A task is a part of a run: one at a time for each worker, so that the next free one takes the next.
            "distributed.scheduler.worker-saturation": 1.0,
            "distributed.scheduler.work-stealing": False,
            # Nothing of a run is shown to a browser.
            "distributed.scheduler.http.routes": [],
            "distributed.worker.http.routes": [],
        }
    )
    return distributed


@contextmanager
def _quiet() -> Iterator[None]:
    """What Dask logs of workers that come and go is said by the run, where it matters."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
