"""An FTP server with TLS in this process (pyftpdlib), which breaks where a test wants it to."""

from __future__ import annotations

import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme

from pipeline.settings.destinations import FtpsDestination
from pipeline.settings.secrets import Secrets

with warnings.catch_warnings():
    # It stands on modules that Python 3.12 has no more.
    warnings.simplefilter("ignore", DeprecationWarning)
    from OpenSSL import SSL
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

USER, PASSWORD = "books", "s3cret-of-the-test"


@dataclass
class Faults:
    """What goes wrong, once each time it is set.

    cut_at_byte, full_at_byte, spoil_at_byte: of a file that comes in, both connections end, there is no room, or
    the bytes are others. before, after: commands before or after which the connection is cut, without an answer.
    answers: what is answered to a command in place of doing it.
    """

    cut_at_byte: int | None = None
    full_at_byte: int | None = None
    spoil_at_byte: int | None = None
    before: set[str] = field(default_factory=set)
    after: set[str] = field(default_factory=set)
    answers: dict[str, str] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    received: int = 0


@dataclass
class FtpsServer:
    """A server that runs."""

    port: int
    root: Path
    here: Path
    faults: Faults

    @property
    def secrets(self) -> Secrets:
        return Secrets(None, {"LETTRAGE_SECRET_FTP": PASSWORD})

    def destination(self, port: int | None = None, **more: object) -> FtpsDestination:
        """How to reach it; port: that of a proxy before its control connection."""
        return FtpsDestination.model_validate(
            {
                "by": "ftps",
                "host": "127.0.0.1",
                "port": port or self.port,
                "user": USER,
                "password_secret": "ftp",
                "ca_file": self.here / "ca.pem",
                "timeout_seconds": 10,
                **more,
            }
        )


def _data_handler(faults: Faults) -> type[TLS_DTPHandler]:
    class Data(TLS_DTPHandler):
        def recv(self, size: int) -> bytes:
            chunk = super().recv(size)
            first, faults.received = self.tot_bytes_received, faults.received + len(chunk)
            end = first + len(chunk)
            if faults.cut_at_byte is not None and end > faults.cut_at_byte:
                faults.cut_at_byte = None
                self.cmd_channel.close()
                return b""
            if faults.full_at_byte is not None and end > faults.full_at_byte:
                faults.full_at_byte = None
                self._resp = ("452 No space left on device.", self.log)
                # Without the end of TLS, which it would wait for.
                DTPHandler.close(self)
                return b""
            if faults.spoil_at_byte is not None and end > faults.spoil_at_byte:
                faults.spoil_at_byte = None
                return bytes(len(chunk))
            return chunk

    return Data


def _control_handler(faults: Faults, tls: bool, context: Any, authorizer: Any) -> type[FTPHandler]:
    base: Any = TLS_FTPHandler if tls else FTPHandler

    class Control(base):
        _is_mute = False

        def process_command(self, cmd: str, *args: Any, **kwargs: Any) -> None:
            faults.calls[cmd] += 1
            if cmd in faults.before:
                faults.before.discard(cmd)
                self.close()
            elif cmd in faults.answers:
                self.respond(faults.answers[cmd])
            elif cmd in faults.after:
                faults.after.discard(cmd)
                self._is_mute = True
                super().process_command(cmd, *args, **kwargs)
                self.close()
            else:
                super().process_command(cmd, *args, **kwargs)

        def respond(self, resp: str, *args: Any, **kwargs: Any) -> None:
            if not self._is_mute:
                super().respond(resp, *args, **kwargs)

    Control.authorizer = authorizer
    Control.use_sendfile = False
    if tls:
        Control.ssl_context, Control.dtp_handler = context, _data_handler(faults)
        Control.tls_control_required = Control.tls_data_required = True
    return Control


@contextmanager
def running(here: Path, *, tls: bool = True, name: str = "127.0.0.1") -> Iterator[FtpsServer]:
    """Starts a server in a thread, and ends it. name: in its certificate."""
    root = here / "root"
    root.mkdir(parents=True)
    authority = trustme.CA()
    certificate = authority.issue_cert(name)
    authority.cert_pem.write_to_path(here / "ca.pem")
    certificate.private_key_and_cert_chain_pem.write_to_path(here / "server.pem")
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate_chain_file(str(here / "server.pem"))
    context.use_privatekey_file(str(here / "server.pem"))
    context.set_session_id(b"lettrage")
    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, PASSWORD, str(root), perm="elradfmwMT")
    faults = Faults()
    server = FTPServer(("127.0.0.1", 0), _control_handler(faults, tls, context, authorizer), ioloop=IOLoop())
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            server.serve_forever(timeout=0.02, blocking=False, handle_exit=False)
        server.close_all()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield FtpsServer(server.socket.getsockname()[1], root, here, faults)
    finally:
        over.set()
        thread.join()
