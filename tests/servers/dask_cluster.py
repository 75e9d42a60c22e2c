"""A Dask scheduler and its workers as processes of their own on the loopback, as an administrator would start them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 240


@dataclass
class DaskCluster:
    """address: of the scheduler. workers: processes that each watch over one worker."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]

    def kill_scheduler(self) -> None:
        """As a machine that is switched off."""
        self.scheduler.send_signal(signal.SIGKILL)
        self.scheduler.wait()


@contextmanager
def dask_cluster(folder: Path, workers: int, memory: str = "2GB") -> Iterator[DaskCluster]:
    """Starts a scheduler and so many workers, of a thread and so much memory each; ends them afterwards."""
    found = folder / "scheduler.json"
    begun: list[subprocess.Popen[bytes]] = []

    def begin(module: str, *options: str) -> subprocess.Popen[bytes]:
        with (folder / f"{module}-{len(begun)}.log").open("wb") as log:
            command = [sys.executable, "-m", f"distributed.cli.{module}", "--scheduler-file", str(found), *options]
            command += ["--dashboard-address", "127.0.0.1:0"]
            # As docs/scale.md has it.
            environment = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "20"}
            begun.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment))
        return begun[-1]

    try:
        scheduler = begin("dask_scheduler", "--host", "127.0.0.1", "--port", "0")
        address = str(_read(found, scheduler)["address"])
        options = ("--host", "127.0.0.1", "--nthreads", "1", "--nworkers", "1", "--memory-limit", memory)
        started = [begin("dask_worker", *options) for _ in range(workers)]
        if workers:
            _wait_for_workers(address, workers)
        yield DaskCluster(address, scheduler, started)
    finally:
        for process in reversed(begun):
            process.terminate()
        for process in begun:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _read(path: Path, process: subprocess.Popen[bytes]) -> dict[str, object]:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until and process.poll() is None:
        if path.exists() and path.stat().st_size:
            read: dict[str, object] = json.loads(path.read_text())
            return read
        time.sleep(0.1)
    message = "the scheduler did not start"
    raise RuntimeError(message)


def _wait_for_workers(address: str, workers: int) -> None:
    from distributed import Client  # noqa: PLC0415 - slow to load, and tests that are not chosen need none

    with Client(address, timeout=f"{_SECONDS}s", set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=_SECONDS)
