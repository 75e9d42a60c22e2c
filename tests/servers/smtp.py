"""A mail server in this process (aiosmtpd), which refuses and breaks where a test wants it to."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from pipeline.settings.destinations import Mail
from pipeline.settings.secrets import Secrets

USER, PASSWORD = "books", "s3cret-of-the-test"


@dataclass
class Mailbox:
    """What has arrived, and what goes wrong. raw: bytes of each message; to: its recipients.

    answers: what is answered once to MAIL, to DATA (after the message) or to an address. cut: `before` the message is
    kept, or `after` it and before the answer, once.
    """

    messages: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    to: list[list[str]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    cut: str | None = None
    is_encrypted: list[bool] = field(default_factory=list)

    async def handle_MAIL(  # noqa: N802 - called by this name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        del server, session
        if "MAIL" in self.answers:
            return self.answers.pop("MAIL")
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - called by this name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        del server, session, options
        if address in self.answers:
            return self.answers.pop(address)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - likewise
        cut, self.cut = self.cut, None
        if cut == "before":
            server.transport.abort()
            return "421 cut"
        if "DATA" in self.answers:
            return self.answers.pop("DATA")
        raw = cast("bytes", envelope.content)
        self.raw.append(raw)
        self.messages.append(cast("EmailMessage", message_from_bytes(raw, policy=policy.default)))
        self.to.append(list(envelope.rcpt_tos))
        self.is_encrypted.append(session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None)
        if cut == "after":
            server.transport.abort()
        return "250 kept as number 7"


@dataclass
class MailServer:
    """A server that runs."""

    port: int
    here: Path
    box: Mailbox

    @property
    def secrets(self) -> Secrets:
        return Secrets(None, {"LETTRAGE_SECRET_MAIL": PASSWORD})

    def mail(self, port: int | None = None, **more: object) -> Mail:
        """How to reach it, without TLS and login."""
        settings = {
            "host": "127.0.0.1",
            "port": port or self.port,
            "security": "none",
            "sender": "Alpha Comptabilité <books@alpha.example>",
            "ca_file": self.here / "ca.pem",
            "timeout_seconds": 10,
            **more,
        }
        return Mail.model_validate(settings)

    def safe_mail(self, security: str, **more: object) -> Mail:
        """How to reach it, with both."""
        return self.mail(**{"security": security, "user": USER, "password_secret": "mail", **more})


def _authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    is_known = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_known, handled=False)


@contextmanager
def running(here: Path, security: str = "none", name: str = "127.0.0.1", **options: Any) -> Iterator[MailServer]:
    """Starts a server in a thread, and ends it. security: as of `Mail`; name: in its certificate; options: aiosmtpd's."""
    here.mkdir(parents=True)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(here / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    box = Mailbox()
    if security != "none":
        options = {"authenticator": _authenticate, "auth_required": True, **options}
    if security == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    if security == "tls":
        # The library does not see the TLS that asyncio speaks for it.
        options |= {"auth_require_tls": False, "auth_required": False}
    transports: list[asyncio.Transport] = []
    loop = asyncio.new_event_loop()

    class Server(SMTP):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transports.append(cast("asyncio.Transport", transport))
            super().connection_made(transport)

    async def start() -> asyncio.Server:
        return await loop.create_server(
            lambda: Server(box, hostname="test", loop=loop, **options),
            "127.0.0.1",
            0,
            ssl=context if security == "tls" else None,
        )

    async def end(server: asyncio.Server) -> None:
        server.close()
        for transport in transports:
            transport.abort()
        await asyncio.sleep(0.02)
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield MailServer(server.sockets[0].getsockname()[1], here, box)
    finally:
        asyncio.run_coroutine_threadsafe(end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
