"""An SFTP server in this process that breaks where a test wants it to, as OpenSSH does not."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from pipeline.settings.destinations import SftpDestination
from pipeline.settings.secrets import Secrets

USER, PASSWORD = "books", "s3cret-of-the-test"


@dataclass
class Faults:
    """What goes wrong, once each time it is set; calls: how often each was asked for.

    cut_at_byte, full_at_byte: a write at or after this byte breaks the connection, or finds no room. before, after:
    requests before or after which the connection is cut. refuse: requests that are refused, and how. stall: a request
    that is never answered. gap: a write that is answered for and lost.
    """

    cut_at_byte: int | None = None
    full_at_byte: int | None = None
    before: set[str] = field(default_factory=set)
    after: set[str] = field(default_factory=set)
    refuse: dict[str, asyncssh.SFTPError] = field(default_factory=dict)
    stall: str | None = None
    gap: int | None = None
    calls: Counter[str] = field(default_factory=Counter)


class FaultySftp(asyncssh.SFTPServer):
    """Files of a directory, with faults."""

    faults: Faults

    def __init__(self, channel: Any, root: Path) -> None:
        self._channel, self._is_cut = channel, False
        super().__init__(channel, chroot=str(root).encode())

    async def _fault(self, request: str, act: Callable[[], Any]) -> Any:
        faults = self.faults
        if self._is_cut:
            # What came before the cut and waits in a buffer.
            raise asyncssh.SFTPConnectionLost("cut by the test")
        faults.calls[request] += 1
        if faults.stall == request:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                # Nobody waits for it any more: the library closes its files on its own error alone.
                raise asyncssh.SFTPConnectionLost("stalled by the test") from None
        if request in faults.refuse:
            raise faults.refuse[request]
        if request in faults.before:
            faults.before.discard(request)
            self._cut()
        done = act()
        if request in faults.after:
            faults.after.discard(request)
            self._cut()
        return done

    def _cut(self) -> None:
        self._is_cut = True
        self._channel.get_connection().abort()
        raise asyncssh.SFTPConnectionLost("cut by the test")

    async def write(self, file_obj: object, offset: int, data: bytes) -> Any:
        faults, end = self.faults, offset + len(data)
        if not self._is_cut and faults.cut_at_byte is not None and end > faults.cut_at_byte:
            faults.cut_at_byte = None
            self._cut()
        if faults.full_at_byte is not None and end > faults.full_at_byte:
            faults.full_at_byte = None
            raise OSError(28, "No space left on device")
        if faults.gap is not None and offset <= faults.gap < end:
            faults.gap = None
            return len(data)
        return await self._fault("write", lambda: super(FaultySftp, self).write(file_obj, offset, data))

    async def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
        return await self._fault("open", lambda: super(FaultySftp, self).open(path, pflags, attrs))

    async def read(self, file_obj: object, offset: int, size: int) -> Any:
        return await self._fault("read", lambda: super(FaultySftp, self).read(file_obj, offset, size))

    async def rename(self, oldpath: bytes, newpath: bytes) -> Any:
        return await self._fault("rename", lambda: super(FaultySftp, self).rename(oldpath, newpath))

    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        return await self._fault("posix_rename", lambda: super(FaultySftp, self).posix_rename(oldpath, newpath))

    async def mkdir(self, path: bytes, attrs: Any) -> Any:
        return await self._fault("mkdir", lambda: super(FaultySftp, self).mkdir(path, attrs))

    async def stat(self, path: bytes) -> Any:
        return await self._fault("stat", lambda: super(FaultySftp, self).stat(path))


class _Logins(asyncssh.SSHServer):
    def __init__(self, open_: set[asyncssh.SSHServerConnection]) -> None:
        self._open = open_

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._open.add(conn)

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)


@dataclass
class SftpServer:
    """A server that runs."""

    port: int
    root: Path
    here: Path
    faults: Faults
    host_key: asyncssh.SSHKey

    @property
    def secrets(self) -> Secrets:
        return Secrets(None, {"LETTRAGE_SECRET_FTP": PASSWORD})

    def known(self, key: asyncssh.SSHKey | None = None, port: int | None = None) -> Path:
        """A file of known hosts with the server's key, or another one."""
        path = self.here / f"known_hosts-{port or self.port}"
        public = (key or self.host_key).export_public_key().decode()
        path.write_text(f"# the keys of our receivers\n\n[127.0.0.1]:{port or self.port} {public}")
        return path

    def destination(self, port: int | None = None, **more: object) -> SftpDestination:
        """How to reach it, with a password; port: of a proxy before it."""
        settings = {
            "by": "sftp",
            "host": "127.0.0.1",
            "port": port or self.port,
            "user": USER,
            "known_hosts": self.known(port=port),
            "timeout_seconds": 10,
            **({} if {"key_secret", "key_file"} & set(more) else {"password_secret": "ftp"}),
            **more,
        }
        return SftpDestination.model_validate(settings)


@contextmanager
def running(here: Path, *, user_key: asyncssh.SSHKey | None = None, **options: Any) -> Iterator[SftpServer]:
    """Starts a server in a thread, and ends it. user_key: whose owner is let in; options: of asyncssh."""
    root = here / "root"
    root.mkdir(parents=True)
    faults = Faults()
    host_key = options.pop("host_key", None) or asyncssh.generate_private_key("ssh-ed25519")
    if user_key is not None:
        authorized = here / "authorized_keys"
        authorized.write_bytes(user_key.export_public_key())
        options["authorized_client_keys"] = str(authorized)

    def served(channel: Any) -> FaultySftp:
        server = FaultySftp(channel, root)
        server.faults = faults
        return server

    connections: set[asyncssh.SSHServerConnection] = set()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Logins(connections),
            server_host_keys=[host_key],
            sftp_factory=served,
            **options,
        )

    async def end(acceptor: asyncssh.SSHAcceptor) -> None:
        acceptor.close()
        for connection in connections:
            connection.abort()
        await asyncio.gather(*(connection.wait_closed() for connection in connections), return_exceptions=True)
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    acceptor = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield SftpServer(acceptor.get_port(), root, here, faults, host_key)
    finally:
        asyncio.run_coroutine_threadsafe(end(acceptor), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
