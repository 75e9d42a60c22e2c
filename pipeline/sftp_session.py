"""A connection to a secure file server (SFTP): what delivery puts there by, and what master data is fetched by.

A server is who its own known-hosts file says it is, or nothing is sent to it. Whatever waits for the server ends after
the timeout of the settings, also where the library would wait for ever.
"""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
import re
import socket
import stat
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from paramiko.ssh_exception import IncompatiblePeer
from pydantic import SecretStr

from pipeline.errors import DeliveryError, SettingsError, TryAgainError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.settings.destinations import SftpDestination
    from pipeline.settings.secrets import Secrets
    from pipeline.settings.sources import SftpSource

#: bytes a request, what every server takes; and how many requests are under way before their answers are read
_BLOCK = 32 * 1024
_UNDER_WAY = 16
#: what the library says of a server that did not answer in time
_LATE = {"No existing session", "Authentication timeout.", "Timeout opening channel."}
_OTHERS = stat.S_IRWXO | stat.S_IWGRP
# What goes wrong is raised; besides, the library would print it, with a traceback.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

Server: TypeAlias = "SftpDestination | SftpSource"


@dataclass(frozen=True)
class Entry:
    """What a folder of the server has. size in bytes; modified: seconds since 1970, None where the server says none."""

    name: str
    size: int
    is_folder: bool
    modified: int | None


class SftpSession:
    """An open connection. Paths are text with `/`, as the server takes them: relative ones begin where the login does.

    Every method raises TryAgainError for what may pass (a connection that broke, a timeout, a disk that is full),
    DeliveryError for what a person has to mend (no right), FileNotFoundError for a path that is not there.
    """

    def __init__(self, sftp: paramiko.SFTPClient, where: str, watch: _Watch) -> None:
        self._sftp, self._where, self._watch = sftp, where, watch

    def entries(self, folder: str) -> list[Entry]:
        """What a folder has, by name; `` is where the login begins."""
        with self._asking("read the folder", folder or "."):
            found = self._sftp.listdir_attr(folder or ".")
        return sorted(
            (Entry(one.filename, one.st_size or 0, stat.S_ISDIR(one.st_mode or 0), one.st_mtime) for one in found),
            key=lambda entry: entry.name,
        )

    def size(self, path: str) -> int | None:
        """Bytes of a file, None where there is none of that name."""
        try:
            with self._asking("look at", path):
                return self._sftp.stat(path).st_size or 0
        except FileNotFoundError:
            return None

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder of that name."""
        try:
            with self._asking("look at", path):
                return stat.S_ISDIR(self._sftp.stat(path).st_mode or 0)
        except FileNotFoundError:
            return False

    def make_folders(self, folder: str) -> None:
        """Makes a folder and those above it, where they are not there; what is there is left as it is."""
        if not folder or self.is_folder(folder):
            return
        self.make_folders(folder.rstrip("/").rpartition("/")[0])
        try:
            with self._asking("make the folder", folder):
                self._sftp.mkdir(folder)
        except TryAgainError:
            # Somebody else may have made it just now; there is no answer that says so.
            if not self.is_folder(folder):
                raise

    def put(self, source: Path, path: str, start: int | None = None) -> None:
        """Writes a file of this machine; every block is answered for.

        start: goes on with the file that is there, from this many bytes on; None makes it, where there is none.
        """
        mode = "wbx" if start is None else "r+b"
        with self._asking("write", path), source.open("rb") as read, self._sftp.open(path, mode) as written:
            read.seek(start or 0)
            written.seek(start or 0)
            block, sent = read.read(_BLOCK), 0
            while block:
                following = read.read(_BLOCK)
                sent += 1
                # The library reads the answers to all that is under way at a write that is not pipelined, and to
                # nothing else: what went wrong with the last blocks of a pipeline would never be said.
                written.set_pipelined(bool(following) and sent % _UNDER_WAY != 0)
                written.write(block)
                written.flush()
                self._watch.goes_on()
                block = following

    def get(self, path: str, target: Path) -> str:
        """Fetches a file to this machine; gives its SHA-256."""
        return self._read(path, target)

    def digest(self, path: str) -> str:
        """SHA-256 of a file: it is read back."""
        return self._read(path, None)

    def exists(self, path: str) -> bool:
        """Whether the name is taken, by whatever."""
        try:
            with self._asking("look at", path):
                self._sftp.lstat(path)
        except FileNotFoundError:
            return False
        return True

    def rename(self, old: str, new: str) -> None:
        """Gives a file another name, never that of another file. Raises: FileExistsError where the name is taken."""
        if self.exists(new):
            raise FileExistsError(errno.EEXIST, "there is a file of this name", new)
        with self._asking("rename", old):
            try:
                # By the protocol the server refuses a name that is taken, also one that was taken just now.
                self._sftp.rename(old, new)
            except OSError as error:
                if error.errno is not None or isinstance(error, TimeoutError) or self._sftp.get_channel().closed:
                    raise
            else:
                return
        if self.exists(new):
            raise FileExistsError(errno.EEXIST, "there is a file of this name", new)
        # The rename of POSIX would replace a file: it is for servers that cannot do the other one.
        with self._asking("rename", old):
            self._sftp.posix_rename(old, new)

    def remove(self, path: str) -> None:
        """Removes a file."""
        with self._asking("remove", path):
            self._sftp.remove(path)

    def _read(self, path: str, target: Path | None) -> str:
        digest = hashlib.sha256()
        with (
            self._asking("read", path),
            self._sftp.open(path, "rb", bufsize=0) as file,
            nullcontext() if target is None else target.open("wb") as written,
        ):
            # Block after block: what the library reads ahead with is a thread that nobody can catch the errors of.
            while block := file.read(_BLOCK):
                digest.update(block)
                if written is not None:
                    written.write(block)
                self._watch.goes_on()
        return digest.hexdigest()

    @contextmanager
    def _asking(self, doing: str, path: str) -> Iterator[None]:
        try:
            with self._watch.on():
                yield
        except FileNotFoundError:
            raise
        except (OSError, EOFError, paramiko.SSHException, paramiko.SFTPError) as error:
            raise _told(error, f"the server did not {doing} {path}", self._where, self._watch) from error


class _Watch:
    """Ends a connection that has not moved for the timeout while something waits for it.

    The library waits without an end in places: for the answer to the request for SFTP, or to write where the server
    has stopped reading.
    """

    def __init__(self, client: paramiko.SSHClient, seconds: float) -> None:
        self.seconds, self.has_ended = seconds, False
        self._client = client
        self._waits_since: float | None = None
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True, name="sftp-timeout").start()

    @contextmanager
    def on(self) -> Iterator[None]:
        """From here to the end of the block the server has to answer."""
        self._waits_since = time.monotonic()
        try:
            yield
        finally:
            self._waits_since = None

    def goes_on(self) -> None:
        """The server has answered something."""
        self._waits_since = time.monotonic()

    def end(self) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(min(1.0, self.seconds / 4)):
            since = self._waits_since
            if since is not None and time.monotonic() - since > self.seconds:
                self.has_ended = True
                self._client.close()
                return


@contextmanager
def connected(server: Server, secrets: Secrets) -> Iterator[SftpSession]:
    """Opens a connection, verified and logged in.

    Raises: SettingsError for a key or secret that cannot be used, DeliveryError for a server that is not who it should
    be or does not let us in, TryAgainError where it cannot be reached.
    """
    where = f"{server.user}@{server.host} port {server.port}"
    password = None if server.password_secret is None else secrets.get(server.password_secret).get_secret_value()
    key = None if server.password_secret is not None else _private_key(server, secrets)
    client = paramiko.SSHClient()
    _trust(client, server, where)
    watch = _Watch(client, server.timeout_seconds)
    try:
        try:
            with watch.on():
                client.connect(
                    server.host,
                    port=server.port,
                    username=server.user,
                    password=password,
                    pkey=key,
                    timeout=server.timeout_seconds,
                    banner_timeout=server.timeout_seconds,
                    auth_timeout=server.timeout_seconds,
                    channel_timeout=server.timeout_seconds,
                    allow_agent=False,
                    look_for_keys=False,
                )
                watch.goes_on()
                sftp = _opened(client, server.timeout_seconds)
        except paramiko.BadHostKeyException as error:
            raise _other_key(server, where, error) from None
        except paramiko.AuthenticationException as error:
            raise _not_let_in(error, server, where, watch) from None
        except IncompatiblePeer as error:
            raise DeliveryError(
                f"the server and this program have no method in common ({error})",
                where=where,
                mend="ask for rsa-sha2-256, ecdsa or ed25519: the old SHA-1 methods (ssh-rsa) are not spoken",
            ) from None
        except (OSError, EOFError, paramiko.SSHException, paramiko.SFTPError) as error:
            raise _told(error, "the server cannot be reached", where, watch) from error
        yield SftpSession(sftp, where, watch)
    finally:
        watch.end()
        client.close()


def _opened(client: paramiko.SSHClient, timeout: float) -> paramiko.SFTPClient:
    transport = client.get_transport()
    if transport is None:
        raise EOFError
    channel = transport.open_session(timeout=timeout)
    channel.settimeout(timeout)
    channel.invoke_subsystem("sftp")
    return paramiko.SFTPClient(channel)


def _trust(client: paramiko.SSHClient, server: Server, where: str) -> None:
    """Has the client know the keys of the file, and no other. Raises: SettingsError naming the line."""
    place = str(server.known_hosts)
    try:
        lines = server.known_hosts.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError(
            f"the known hosts cannot be read ({said})", where=place, mend=_how_to_know(server)
        ) from None
    revoked = [line for line in lines if line.startswith("@revoked")]
    # The library takes a line that begins with @ for one of a host of that name.
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith(("#", "@")):
            continue
        try:
            entry = paramiko.hostkeys.HostKeyEntry.from_line(line.strip(), number)
        except (paramiko.SSHException, paramiko.hostkeys.InvalidHostKey, ValueError):
            raise SettingsError("this is no key of a server", where=f"{place} line {number}") from None
        for name in [] if entry is None else entry.hostnames:
            client.get_host_keys().add(name, entry.key.get_name(), entry.key)
        if entry is not None and any(entry.key.get_base64() in one for one in revoked):
            raise SettingsError("the key is both known and revoked", where=f"{place} line {number}", mend="take it out")
    client.set_missing_host_key_policy(_Refusal(server, where))


class _Refusal:
    """A policy of the library's for unknown keys: refuses a server that the known hosts do not name."""

    def __init__(self, server: Server, where: str) -> None:
        self._server, self._where = server, where

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        del client, hostname
        raise DeliveryError(
            f"{self._server.known_hosts} does not know this server; the key that it offers is "
            f"{key.get_name()} {key.fingerprint}",
            where=self._where,
            mend=_how_to_know(self._server),
        )


def _how_to_know(server: Server) -> str:
    port = "" if server.port == 22 else f"-p {server.port} "  # noqa: PLR2004 - the port that stands for itself
    return (
        "ask the receiver for the fingerprint of its key by another way (by telephone, in its manual); where it is the "
        f"same, add the key: ssh-keyscan {port}{server.host} >> {server.known_hosts}"
    )


def _other_key(server: Server, where: str, error: paramiko.BadHostKeyException) -> DeliveryError:
    offered, known = error.key, error.expected_key
    return DeliveryError(
        f"the server's key has changed: it offers {offered.get_name()} {offered.fingerprint}, and {server.known_hosts} "
        f"knows {known.get_name()} {known.fingerprint}",
        where=where,
        mend="somebody else may be answering in its place, so nothing was sent. Where the receiver has a new key, take "
        f"the old line out, {_how_to_know(server)}",
    )


def _not_let_in(error: paramiko.AuthenticationException, server: Server, where: str, watch: _Watch) -> DeliveryError:
    said = str(error)
    if watch.has_ended or "timeout" in said or "shut down" in said:
        return _told(error, "the server did not answer the login", where, watch)
    way = "password" if server.password_secret is not None else "key"
    allowed = getattr(error, "allowed_types", [])
    offers = f" (it takes {', '.join(allowed)})" if allowed else ""
    old = "; it may know SHA-1 signatures (ssh-rsa) alone, which are not spoken" if "agree" in said else ""
    return DeliveryError(
        f"the server does not accept this user with this {way}{offers}{old}",
        where=where,
        mend="check user and secret with the receiver",
    )


def _told(error: Exception, doing: str, where: str, watch: _Watch) -> DeliveryError:
    """The error for a person, by what the library or the server said."""
    said = next((part for part in reversed(error.args) if isinstance(part, str) and part), type(error).__name__)
    number = error.errno if isinstance(error, OSError) else None
    kind: type[DeliveryError] = TryAgainError
    what, mend = f"{doing} ({said})", None
    if watch.has_ended or isinstance(error, TimeoutError) or said in _LATE:
        what = f"{doing}: it gave no answer for {watch.seconds:g} seconds"
    elif isinstance(error, socket.gaierror):
        kind = TryAgainError if number == socket.EAI_AGAIN else DeliveryError
        what, mend = f"{doing}: its name is not known", "check host, and the network"
    elif number in (errno.EACCES, errno.EPERM):
        kind, mend = DeliveryError, "ask the receiver for the right to do that"
    elif "unsupported" in said.lower():
        kind, what = DeliveryError, f"{doing}: it cannot do that ({said})"
    elif isinstance(error, OSError) and number is None and not re.search("closed|Unable to connect", said):
        mend = "its disk may be full, or a quota reached"
    return kind(what, where=where, mend=mend)


def _private_key(server: Server, secrets: Secrets) -> paramiko.PKey:
    passphrase = None
    if server.passphrase_secret is not None:
        passphrase = secrets.get(server.passphrase_secret).get_secret_value()
    if server.key_secret is not None:
        return _key_of(secrets.get(server.key_secret), passphrase, f"secret {server.key_secret}")
    path = server.key_file
    if path is None:
        raise SettingsError("the server has no way to log in", where=server.host, mend="give it a password or a key")
    try:
        if path.stat().st_mode & _OTHERS:
            raise SettingsError("others may read the key", where=str(path), mend=f"`chmod o-rwx,g-w {path}`")
        text = SecretStr(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError(f"the key cannot be read ({said})", where=str(path)) from None
    key = _key_of(text, passphrase, str(path))
    certificate = path.with_name(f"{path.name}-cert.pub")
    if certificate.exists():
        with suppress(ValueError):
            key.load_certificate(os.fspath(certificate))
    return key


def _key_of(text: SecretStr, passphrase: str | None, where: str) -> paramiko.PKey:
    """A private key of any kind. Raises: SettingsError, which tells nothing of it."""
    content = text.get_secret_value().strip() + "\n"
    secret = None if passphrase is None else passphrase.encode()
    try:
        load: Any = serialization.load_pem_private_key
        if "OPENSSH" in content:
            load = serialization.load_ssh_private_key
        loaded = load(content.encode(), secret)
        kind = next(kind for made, kind in _KINDS.items() if isinstance(loaded, made))
        # In the form that the library reads without a passphrase; it goes nowhere but into memory.
        plain = loaded.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        return kind.from_private_key(io.StringIO(plain.decode()))
    except (ValueError, TypeError, UnsupportedAlgorithm, paramiko.SSHException, StopIteration):
        raise SettingsError(
            "this is no private key that can be used, or its passphrase is another",
            where=where,
            mend="an OpenSSH or PEM key: ed25519, ecdsa or rsa; its passphrase in passphrase_secret",
        ) from None


_KINDS: dict[type, type[paramiko.PKey]] = {
    ed25519.Ed25519PrivateKey: paramiko.Ed25519Key,
    ec.EllipticCurvePrivateKey: paramiko.ECDSAKey,
    rsa.RSAPrivateKey: paramiko.RSAKey,
}
