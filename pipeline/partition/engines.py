"""Who takes the parts of a run: this process, processes of this machine, or a cluster of Dask.

An engine takes tasks at least once: what a process that died had begun is begun anew elsewhere. It needs no data but
the names that tasks tell one another; the files are in the store's place, which every worker must reach.
"""

from __future__ import annotations

import logging
import os
import sys
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import duckdb

from pipeline.errors import LettrageError, RunError, UsageError, first_line
from pipeline.watch import logs

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

    @property
    def threads(self) -> int | None:
        """Threads that there are for a task; None: all that the machine has."""

    def each(self, take: Callable[[Task], Done], tasks: Sequence[Task]) -> Iterator[Done]:
        """Takes each task, the first ones first; gives what came of them, each once, as they are done."""


class Here:
    """Tasks are taken by this process, one after the other."""

    workers = 1
    memory = None
    threads = None

    def each(self, take: Callable[[Task], Done], tasks: Sequence[Task]) -> Iterator[Done]:
        """Takes each task in turn."""
        yield from map(take, tasks)


class Cluster:
    """The workers of a Dask scheduler, who have a thread for each task that they take at the same time.

    connect: gives a client of the scheduler, once there is a task. workers, memory: as an engine's.
    """

    threads = 1

    def __init__(self, connect: Callable[[], Any], workers: int, memory: int | None) -> None:
        self._connect = connect
        self.workers = workers
        self.memory = memory
        self._client: Any = None

    def _connected(self) -> Any:
        if self._client is None:
            self._client = self._connect()
        return self._client

    def each(self, take: Callable[[Task], Done], tasks: Sequence[Task]) -> Iterator[Done]:
        """Has the workers take the tasks.

        Raises: what a task raises; RunError where that is no error of ours or of the system's, workers keep dying,
        there are none any more, or the scheduler is gone.
        """
        distributed = _library()
        client = self._connected()
        futures = [client.submit(take, task, pure=False, priority=-number) for number, task in enumerate(tasks)]
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
                # What was told may go: a worker that dies now has nothing to be done again.
                one.release()
        except distributed.scheduler.KilledWorker as error:
            raise RunError(
                f"workers of the cluster died {error.allowed_failures + 1} times over a part of this run",
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
            if isinstance(failed, (LettrageError, OSError, duckdb.Error)):
                raise failed
            logs.crashed(failed)
            raise _unheard_of(failed) from failed

    def _first(self, done: Queue[Any]) -> Any:
        """The next task that is done. Raises: RunError where there is nobody who could do one."""
        alone = 0
        while alone < _ALONE:
            try:
                return done.get(timeout=_LOOK)
            except Empty:
                alone = 0 if self._connected().nthreads() else alone + _LOOK
        raise RunError(f"the cluster has had no workers for {_ALONE} seconds", where="cluster", mend=_MEND)


@contextmanager
def local(workers: int) -> Iterator[Cluster]:
    """Starts so many processes on this machine, of a thread each, that speak to this one over TLS on the loopback.

    Raises: UsageError where Dask is not installed.
    """
    distributed = _library()
    with _quiet(), ExitStack() as started:

        def connect() -> Any:
            cluster = started.enter_context(_started(distributed, workers))
            client = started.enter_context(distributed.Client(cluster, set_as_default=False))
            # What watches over a process starts it again when it dies, but gives up on one that dies while it starts.
            cluster.adapt(minimum=workers, maximum=workers)
            return client

        yield Cluster(connect, workers, machine_memory() // (workers + 1))


def _started(distributed: Any, workers: int) -> Any:
    """A cluster of processes; one that dies while it starts has all of them started anew."""
    left = _STARTS
    while True:
        left -= 1
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


@contextmanager
def remote(address: str) -> Iterator[Cluster]:
    """Connects to the scheduler at an address, as `tcp://scheduler:8786` or `tls://…`.

    Raises: UsageError where Dask is not installed or nobody answers, RunError where there are no workers.
    """
    distributed = _library()
    with _quiet():
        try:
            client = distributed.Client(address, timeout="10s", set_as_default=False)
        except (OSError, TimeoutError, TypeError, ValueError) as error:  # TypeError: TLS without a certificate
            raise UsageError(
                f"there is no scheduler here ({first_line(error)})",
                where=address,
                mend="start one with `dask scheduler` and workers with `dask worker`, or name another address; "
                "for tls:// configure distributed.comm.tls",
            ) from None
        with client:
            found = client.scheduler_info(n_workers=-1)["workers"].values()
            if not found:
                raise RunError("the scheduler has no workers", where=address, mend="start some with `dask worker`")
            memory = min((one["memory_limit"] or 0) // one["nthreads"] for one in found)
            yield Cluster(lambda: client, sum(one["nthreads"] for one in found), memory or None)


def machine_memory() -> int:
    """The memory of this machine, or of the container that this process is in, in bytes."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CONTAINER_LIMITS:
        try:
            found.append(int(path.read_text()))
        except (OSError, ValueError):  # no container, or one that sets no limit: `max`
            continue
    return min(found)


def worker_directory() -> Path | None:
    """Where a task may write what is to go with its worker, however that ends; None in a process that is no worker."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return Path(distributed.get_worker().local_directory)
    except ValueError:
        return None


def _unheard_of(error: BaseException) -> RunError:
    return RunError(
        f"a worker of the cluster failed ({type(error).__name__}: {first_line(error)})",
        where="cluster",
        mend=f"see that lettrage is installed for every worker; if it is, report this as a fault of it; {_MEND}",
    )


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
            # Tasks have one thread each (`threads`), also where polars is at work.
            "distributed.nanny.pre-spawn-environ.POLARS_MAX_THREADS": 1,
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
