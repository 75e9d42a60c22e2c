"""Starts `lettrage` commands as processes that can be held, watched, starved and killed."""

from __future__ import annotations

import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

REPOSITORY = Path(__file__).parents[2]
KILLED = -signal.SIGKILL
_LONGEST = 120.0


@dataclass(frozen=True)
class Done:
    """How a command ended: its exit code (minus the signal that ended it), and what it said."""

    code: int
    out: str
    err: str

    @property
    def ended_well(self) -> bool:
        """Whether it did what it was told: 3 says that there is something new in quarantine."""
        return self.code in (0, 3)


class Command:
    """A command that was started, as a process of its own."""

    def __init__(self, name: str, pid: int, said: Path, ends: queue.Queue[int], opened: Any) -> None:
        self.name, self.pid = name, pid
        self._said, self._ends, self._opened = said, ends, opened
        self._done: Done | None = None

    def open(self) -> None:
        """Lets a command go that was started held."""
        self._opened(self.name)

    def kill(self) -> None:
        """Ends it as a power switch would, wherever it is. One that has ended already stays as it is."""
        if self._done is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def wait(self, limit: float = _LONGEST) -> Done:
        """Waits for its end. Raises: TimeoutError."""
        if self._done is None:
            try:
                code = self._ends.get(timeout=limit)
            except queue.Empty:
                raise TimeoutError(f"{self.name} still runs after {limit:g} s") from None
            out, err = (self._said / f"{self.name}.{end}" for end in ("out", "err"))
            self._done = Done(
                code,
                out.read_text(encoding="utf-8", errors="replace"),
                err.read_text(encoding="utf-8", errors="replace"),
            )
            out.unlink()
            err.unlink()
        return self._done


class Commands:
    """A nursery of commands (nursery.py), and the commands that it started; a context manager.

    said: a directory for what they print.
    """

    def __init__(self, said: Path) -> None:
        self._said = said
        self._numbers = itertools.count(1)
        self._births: dict[str, queue.Queue[int]] = {}
        self._ends: dict[str, queue.Queue[int]] = {}

    def __enter__(self) -> Self:
        self._said.mkdir(parents=True, exist_ok=True)
        self._nursery = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.nursery"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONWARNINGS": "ignore", "NO_COLOR": "1"},
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.close()
        self._nursery.wait(_LONGEST)
        self._listener.join(_LONGEST)
        self._nursery.stdout.close()

    def start(
        self, *arguments: str | Path, held: bool = False, file_size: int | None = None, powerless: bool = False
    ) -> Command:
        """Starts `lettrage` with arguments. held: it waits for `open`. file_size: no file may grow beyond these bytes.

        powerless: it may do what the rights of a file say and no more, also as root.
        """
        name = f"command-{next(self._numbers)}"
        self._births[name], self._ends[name] = queue.Queue(), queue.Queue()
        for end in ("out", "err"):  # a command killed at once has not made them
            (self._said / f"{name}.{end}").touch()
        self._tell(
            do="start",
            name=name,
            arguments=[str(argument) for argument in arguments],
            out=str(self._said / f"{name}.out"),
            err=str(self._said / f"{name}.err"),
            file_size=file_size,
            powerless=powerless,
        )
        command = Command(name, self._births[name].get(timeout=_LONGEST), self._said, self._ends[name], self._open)
        if not held:
            command.open()
        return command

    def run(self, *arguments: str | Path, file_size: int | None = None, powerless: bool = False) -> Done:
        """Starts a command and waits for its end."""
        return self.start(*arguments, file_size=file_size, powerless=powerless).wait()

    def _open(self, name: str) -> None:
        self._tell(do="open", name=name)

    def _tell(self, **request: Any) -> None:
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(json.dumps(request).encode() + b"\n")
        self._nursery.stdin.flush()

    def _listen(self) -> None:
        assert self._nursery.stdout is not None
        for line in self._nursery.stdout:
            said = json.loads(line)
            if "pid" in said:
                self._births[said["name"]].put(said["pid"])
            else:
                self._ends[said["name"]].put(said["code"])
