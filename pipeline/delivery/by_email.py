"""Delivery by email: all files of a parcel in one message, attached or linked.

A server that has answered for a message has it; one that has refused it has not. Between the last line of the message
and the answer lies the only moment of which nobody can tell: what is done then is the destination's `after_unclear`.
"""

from __future__ import annotations

import json
import re
import smtplib
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from pipeline.delivery import tls
from pipeline.delivery.parcel import SENDING, Parcel, Receipt, filled, folder_for
from pipeline.errors import DeliveryError, SettingsError, TryAgainError, UnclearError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Sequence

    from pipeline.delivery.parcel import Channel, ParcelFile, Steps
    from pipeline.settings.destinations import EmailDestination, Mail
    from pipeline.settings.secrets import Secrets

#: the key of the message's step; of each recipient who has it; and of each file that is linked
MESSAGE, _TO, _LINK = "message", "to:", "link:"
_REFUSED, _SENT, _HAS_IT, _ARRIVED = "refused", "sent ", "has it", "arrived "
_MEGABYTE = 1_000_000
_OK, _GO_ON, _FORWARDED = 250, 354, 251
_TYPES = {
    ".csv": ("text", "csv"),
    ".htm": ("text", "html"),
    ".html": ("text", "html"),
    ".json": ("application", "json"),
    ".parquet": ("application", "vnd.apache.parquet"),
    ".pdf": ("application", "pdf"),
    ".txt": ("text", "plain"),
    ".xlsx": ("application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ".xml": ("application", "xml"),
    ".zip": ("application", "zip"),
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MOST_WORDS = 300


class EmailChannel:
    """Sends one message a parcel; nobody who has it gets it again.

    linked: the channel of `link_by`, by which files that are too large to attach go before.
    """

    def __init__(
        self, destination: EmailDestination, secrets: Secrets, mail: Mail, *, linked: Channel | None = None
    ) -> None:
        self._destination, self._secrets, self._mail, self._linked = destination, secrets, mail, linked

    def deliver(self, parcel: Parcel, steps: Steps) -> None:
        """Sends the message where not everybody has it yet: see `Channel.deliver`."""
        files = [file for file in parcel.files if steps.receipt(file.name) is None]
        if not files:
            return
        recipients = _recipients(self._destination)
        sent = _read(steps)
        missing = [one for one in recipients if steps.get(_TO + one) is None]
        if missing and steps.get(MESSAGE) == SENDING and self._destination.after_unclear == "ask":
            raise self._unclear(missing)
        if missing:
            message = self._message(parcel, steps)
            sent = self._send(message, missing, steps)
        if sent is None:
            # Everybody had it before, and who said so is not known any more.
            sent = _Sent([], "", datetime.now(UTC))
        address = f"mailto:{','.join(recipients)}"
        for file in files:
            steps.arrived(Receipt(file.name, address, file.size, file.sha256, sent.at, sent.answer))

    def _send(self, message: EmailMessage, missing: Sequence[str], steps: Steps) -> _Sent:
        """Raises: TryAgainError, DeliveryError where not all of them have it now; UnclearError."""
        where, was_unclear = _where(self._mail), steps.get(MESSAGE) == SENDING
        try:
            handed = _hand_over(
                self._mail, self._secrets, message, missing, before_the_end=lambda: steps.say(MESSAGE, SENDING)
            )
        except _LostError:
            if self._destination.after_unclear == "ask":
                raise self._unclear(missing) from None
            raise TryAgainError(
                "the connection broke before the server's answer: the message is sent again under the same Message-ID",
                where=where,
            ) from None
        except DeliveryError:
            if steps.get(MESSAGE) == SENDING and not was_unclear:
                steps.say(MESSAGE, _REFUSED)
            raise
        sent = _Sent(handed.accepted, handed.answer, datetime.now(UTC))
        _write(steps, sent)
        if handed.refused:
            raise _refused_recipients(handed.refused, where, others=True)
        return sent

    def _unclear(self, recipients: Sequence[str]) -> UnclearError:
        return UnclearError(
            "the connection broke after the message was sent and before the server's answer: nobody can tell whether "
            f"{', '.join(recipients)} got it",
            where=_where(self._mail),
            mend="ask them",
        )

    def _message(self, parcel: Parcel, steps: Steps) -> EmailMessage:
        """The message: for the same parcel always the same but for its date."""
        most = self._destination.attach_up_to_mb
        is_linked = sum(file.size for file in parcel.files) > most * _MEGABYTE
        links = self._links(parcel, steps) if is_linked else {}
        where = f"destination {parcel.destination}"
        told = "\n".join(_told(file, links.get(file.name)) for file in parcel.files)
        facts = {**parcel.facts, "files": told}
        message = EmailMessage(policy=SMTP)
        headers = {
            "From": self._mail.sender,
            "To": ", ".join(self._destination.to),
            "Cc": ", ".join(self._destination.cc),
            "Subject": filled(self._destination.subject, {**facts, "files": _names(parcel)}, where=f"{where}, subject"),
            "Message-ID": f"<{parcel.delivery}@{_domain(self._mail.sender)}>",
            "Date": format_datetime(datetime.now(UTC)),
            "Auto-Submitted": "auto-generated",
        }
        for name, value in headers.items():
            if _CONTROL.search(value):
                raise DeliveryError(f"{name} holds a line break or another control character", where=where)
            if value:
                message[name] = value
        message.set_content(filled(self._destination.text, facts, where=f"{where}, text"))
        for file in () if is_linked else parcel.files:
            if _CONTROL.search(file.name) or not file.name:
                raise DeliveryError(f"{file.name!r} is no name for an attachment", where=where)
            main, sub = _TYPES.get(PurePosixPath(file.name.lower()).suffix, ("application", "octet-stream"))
            message.add_attachment(file.path.read_bytes(), maintype=main, subtype=sub, filename=file.name)
        if message.is_multipart():
            message.set_boundary(f"=={parcel.delivery[:32]}==")
        return message

    def _links(self, parcel: Parcel, steps: Steps) -> dict[str, str]:
        """Has the files be where links lead; gives the link of each."""
        base = self._destination.link_base
        if self._linked is None or base is None:
            size = sum(file.size for file in parcel.files) / _MEGABYTE
            raise SettingsError(
                f"the files are {size:.1f} MB, more than attach_up_to_mb ({self._destination.attach_up_to_mb:g})",
                where=f"destination {parcel.destination}",
                mend="give link_by and link_base, or attach more",
            )
        self._linked.deliver(parcel, _LinkSteps(steps))
        folder = folder_for(parcel, getattr(self._linked, "folder", ""))
        return {file.name: f"{base.rstrip('/')}/{quote(str(folder / file.name).lstrip('/'))}" for file in parcel.files}


class _LinkSteps:
    """The steps of files on their way to where links lead: beside those of the message, which is what arrives."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def get(self, file: str) -> str | None:
        return self._steps.get(_LINK + file)

    def say(self, file: str, step: str) -> None:
        self._steps.say(_LINK + file, step)

    def receipt(self, file: str) -> Receipt | None:
        said = self._steps.get(_LINK + file) or ""
        return Receipt.of(json.loads(said.removeprefix(_ARRIVED))) if said.startswith(_ARRIVED) else None

    def arrived(self, receipt: Receipt) -> None:
        self._steps.say(_LINK + receipt.file, _ARRIVED + json.dumps(receipt.as_dict()))


@dataclass(frozen=True)
class _Sent:
    """What the server has answered for: who has the message by that, the answer, and when (UTC)."""

    recipients: list[str]
    answer: str
    at: datetime


def _write(steps: Steps, sent: _Sent) -> None:
    """In one step, so that a message that was answered for is never unclear; `_read` makes the other steps of it."""
    said = {"recipients": sent.recipients, "answer": sent.answer, "at": sent.at.isoformat()}
    steps.say(MESSAGE, _SENT + json.dumps(said))


def _read(steps: Steps) -> _Sent | None:
    """The last message that was answered for; its recipients have their steps from here on."""
    step = steps.get(MESSAGE) or ""
    if not step.startswith(_SENT):
        return None
    said = json.loads(step.removeprefix(_SENT))
    sent = _Sent(said["recipients"], said["answer"], datetime.fromisoformat(said["at"]))
    for one in sent.recipients:
        if steps.get(_TO + one) is None:
            steps.say(_TO + one, _HAS_IT)
    return sent


# --------------------------------------------------------------------------------------------------------- SMTP


class _LostError(Exception):
    """The connection broke after the message was handed over and before the answer."""


@dataclass
class _Handed:
    """What a server made of a message. refused: code and words for each recipient that it did not take."""

    accepted: list[str] = field(default_factory=list)
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    answer: str = ""


def hand_over(mail: Mail, secrets: Secrets, message: EmailMessage, to: Sequence[str]) -> None:
    """Sends a message as it is, without any steps: for notices.

    Raises: TryAgainError, DeliveryError, SettingsError; UnclearError where the answer was lost.
    """
    addresses = [_address(one, "to") for one in to]
    try:
        handed = _hand_over(mail, secrets, message, addresses)
    except _LostError:
        raise UnclearError(
            "the connection broke before the server's answer: the message may have been sent", where=_where(mail)
        ) from None
    if handed.refused:
        raise _refused_recipients(handed.refused, _where(mail), others=bool(handed.accepted))


def _hand_over(
    mail: Mail,
    secrets: Secrets,
    message: EmailMessage,
    to: Sequence[str],
    *,
    before_the_end: Callable[[], None] = lambda: None,
) -> _Handed:
    """Sends a message to some of its recipients. before_the_end: called when all but its last line is sent.

    Raises: _LostError where nobody can tell; DeliveryError, TryAgainError where nobody got it.
    """
    where, sender = _where(mail), _address(mail.sender, "[mail] sender")
    try:
        content = message.as_bytes(policy=SMTP)
    except (MessageError, ValueError, UnicodeError) as error:
        raise DeliveryError(f"the message cannot be written ({error})", where=where) from None
    # A line that begins with a dot begins with two, since one alone ends the message.
    lines = re.sub(rb"^\.", b"..", content, flags=re.MULTILINE)
    with _connected(mail, secrets, where) as smtp, _asking(mail, where):
        options = [f"size={len(content)}"] if smtp.has_extn("size") else []
        code, said = smtp.mail(sender, options)
        if code != _OK:
            raise _no(code, said, "the server does not take the message", where)
        handed = _Handed()
        for one in to:
            code, said = smtp.rcpt(one)
            if code in (_OK, _FORWARDED):
                handed.accepted.append(one)
            else:
                handed.refused[one] = (code, _words(said))
        if not handed.accepted:
            raise _refused_recipients(handed.refused, where, others=False)
        code, said = smtp.docmd("DATA")
        if code != _GO_ON:
            raise _no(code, said, "the server does not take the message", where)
        smtp.send(lines if lines.endswith(b"\r\n") else lines + b"\r\n")
        before_the_end()
        code, said = _end(smtp)
        if code != _OK:
            raise _no(code, said, "the server refused the message", where)
        handed.answer = f"{code} {_words(said)}"
        return handed


def _end(smtp: smtplib.SMTP) -> tuple[int, bytes]:
    """Sends the last line, and reads the answer. Raises: _LostError."""
    try:
        smtp.send(b".\r\n")
        code, said = smtp.getreply()
    except (OSError, smtplib.SMTPException):
        raise _LostError from None
    if not 200 <= code < 600:  # noqa: PLR2004 - what is no answer by the protocol answers nothing
        raise _LostError
    return code, said


@contextmanager
def _connected(mail: Mail, secrets: Secrets, where: str) -> Iterator[smtplib.SMTP]:
    """A connection that is encrypted and logged in as the settings say."""
    password = None if mail.password_secret is None else secrets.get(mail.password_secret).get_secret_value()
    context = None if mail.security == "none" else tls.context(mail.ca_file)
    smtp: smtplib.SMTP | None = None
    try:
        with _asking(mail, where):
            if mail.security == "tls":
                smtp = smtplib.SMTP_SSL(mail.host, mail.port, timeout=mail.timeout_seconds, context=context)
            else:
                smtp = smtplib.SMTP(mail.host, mail.port, timeout=mail.timeout_seconds)
            smtp.ehlo_or_helo_if_needed()
            if mail.security == "starttls":
                _encrypt(smtp, context, where)
            if mail.user is not None and password is not None:
                _log_in(smtp, mail.user, password, where)
        yield smtp
        with suppress(OSError, smtplib.SMTPException):
            smtp.quit()
    finally:
        if smtp is not None:
            smtp.close()


def _encrypt(smtp: smtplib.SMTP, context: ssl.SSLContext | None, where: str) -> None:
    nothing = "nothing was sent: files and passwords do not go in the clear"
    try:
        code, said = smtp.starttls(context=context)
    except smtplib.SMTPNotSupportedError:
        raise DeliveryError("the server does not speak TLS (STARTTLS)", where=where, mend=nothing) from None
    except smtplib.SMTPResponseException as error:
        code, said = error.smtp_code, _bytes(error.smtp_error)
    if code != 220:  # noqa: PLR2004 - the one answer that says go
        raise _no(code, said, f"the server does not begin TLS; {nothing}", where)


def _log_in(smtp: smtplib.SMTP, user: str, password: str, where: str) -> None:
    try:
        smtp.login(user, password)
    except smtplib.SMTPNotSupportedError:
        raise DeliveryError("the server takes no login", where=where, mend="leave user and password out") from None
    except smtplib.SMTPAuthenticationError as error:
        said = _bytes(error.smtp_error).decode(errors="replace").replace(password, "…").encode()
        raise _no(error.smtp_code, said, f"the server does not accept {user} with this password", where) from None
    except (smtplib.SMTPServerDisconnected, smtplib.SMTPResponseException):
        raise
    except smtplib.SMTPException as error:
        raise DeliveryError(f"the server takes no login that is spoken ({error})", where=where) from None
    except UnicodeEncodeError:
        raise DeliveryError("user or password holds characters that the server cannot be told", where=where) from None


@contextmanager
def _asking(mail: Mail, where: str) -> Iterator[None]:
    try:
        yield
    except smtplib.SMTPServerDisconnected:
        raise TryAgainError("the server closed the connection", where=where) from None
    except smtplib.SMTPResponseException as error:
        raise _no(error.smtp_code, _bytes(error.smtp_error), "the server does not serve", where) from None
    except smtplib.SMTPException as error:
        raise TryAgainError(f"the server cannot be understood ({error})", where=where) from None
    except (OSError, EOFError) as error:
        raise tls.lost(error, "the server cannot be reached", where, mail.timeout_seconds) from None


def _no(code: int, said: bytes, what: str, where: str) -> DeliveryError:
    """A refusal: for the time being (4xx), or for good (5xx). What is neither is no answer."""
    kind = DeliveryError if code >= 500 else TryAgainError  # noqa: PLR2004 - where SMTP says for good
    mend = "attach less: attach_up_to_mb" if code == 552 else None  # noqa: PLR2004 - too large for it
    return kind(f"{what}: {code} {_words(said)}", where=where, mend=mend)


def _refused_recipients(refused: dict[str, tuple[int, str]], where: str, *, others: bool) -> DeliveryError:
    may_pass = any(code < 500 for code, _ in refused.values())  # noqa: PLR2004 - as above
    said = "; ".join(f"{one} ({code} {words})" for one, (code, words) in refused.items())
    rest = ", the others have the message and do not get it again" if others else ""
    kind = TryAgainError if may_pass else DeliveryError
    return kind(
        f"the server does not take it for {said}{rest}",
        where=where,
        mend=None if may_pass else "mend the addresses of the destination",
    )


# ------------------------------------------------------------------------------------------------------ addresses


def _recipients(destination: EmailDestination) -> list[str]:
    """Every address once. Raises: SettingsError."""
    of_each = {"to": destination.to, "cc": destination.cc, "bcc": destination.bcc}
    return list(dict.fromkeys(_address(one, key) for key, ones in of_each.items() for one in ones))


def _address(text: str, key: str) -> str:
    """The address of `Name <address>`. Raises: SettingsError for what is none, or more than one."""
    address = parseaddr(text)[1]
    is_one = re.fullmatch(r"[!-~]+@[!-~]+", address) is not None and text.count("@") == 1
    if _CONTROL.search(text) or not is_one or re.search(r"[<>()\[\],;:\\\"]", address):
        raise SettingsError(f"{text!r} is no address", where=key, mend="write name@domain or Name <name@domain>")
    return address


def _domain(sender: str) -> str:
    return _address(sender, "[mail] sender").rpartition("@")[2]


def _where(mail: Mail) -> str:
    return f"mail server {mail.host} port {mail.port}"


def _told(file: ParcelFile, link: str | None) -> str:
    """A line a file: what it is called, how large it is, its digest, and where it is."""
    place = "" if link is None else f": {link}"
    return f"{file.name}{place} ({file.size:,} bytes, SHA-256 {file.sha256})"


def _names(parcel: Parcel) -> str:
    return ", ".join(file.name for file in parcel.files)


def _bytes(said: bytes | str) -> bytes:
    return said if isinstance(said, bytes) else said.encode()


def _words(said: bytes) -> str:
    """A server's words on one line."""
    return " ".join(said.decode(errors="replace").split())[:_MOST_WORDS]
