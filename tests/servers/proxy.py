"""A proxy on loopback that cuts connections after a number of bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field
from typing import Self

UP, DOWN = "up", "down"


@dataclass
class Cut:
    """Where a connection is cut: after so many bytes in a direction (up: to the server).

    stalls: it stays open, and nothing more is passed on.
    """

    direction: str
    after: int
    stalls: bool = False


@dataclass
class Passed:
    """Bytes that a connection has carried."""

    up: int = 0
    down: int = 0
    was_cut: bool = False


@dataclass
class Proxy:
    """Listens on a port of its own, and passes on to `target`. cuts: of the next connections, None leaves one whole.

    stalls: passes nothing on, and answers nothing.
    """

    target: int
    cuts: list[Cut | None] = field(default_factory=list)
    stalls: bool = False
    passed: list[Passed] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._accepts = threading.Thread(target=self._accept, daemon=True)
        self._accepts.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone does not wake the thread that waits in accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepts.join()
        for one in self._open:
            _end(one)
        for thread in self._threads:
            thread.join()

    @property
    def cut_count(self) -> int:
        return sum(one.was_cut for one in self.passed)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                _end(client)
                continue
            self._open += [client, server]
            passed, cut = Passed(), self.cuts.pop(0) if self.cuts else None
            self.passed.append(passed)
            for source, sink, direction in ((client, server, UP), (server, client, DOWN)):
                left = cut.after if cut is not None and cut.direction == direction else None
                stalls = cut is not None and cut.stalls
                arguments = (source, sink, direction, left, passed, stalls)
                thread = threading.Thread(target=self._pass, args=arguments, daemon=True)
                thread.start()
                self._threads.append(thread)

    def _pass(
        self,
        source: socket.socket,
        sink: socket.socket,
        direction: str,
        left: int | None,
        passed: Passed,
        stalls: bool,
    ) -> None:
        try:
            while piece := source.recv(1 << 16):
                if self.stalls:
                    continue
                if left is not None and len(piece) >= left:
                    sink.sendall(piece[:left])
                    setattr(passed, direction, getattr(passed, direction) + left)
                    passed.was_cut = True
                    while stalls and source.recv(1 << 16):
                        pass
                    break
                sink.sendall(piece)
                setattr(passed, direction, getattr(passed, direction) + len(piece))
                left = None if left is None else left - len(piece)
        except OSError:
            pass
        # What was passed on may still be under way to the server: it is closed, not reset.
        for one in (source, sink):
            _end(one)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
