"""Delivery to a file server by FTP over TLS (FTPS, explicit)."""

from __future__ import annotations

import ftplib
import hashlib
import ssl
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from pipeline.delivery import tls
from pipeline.delivery.carry import ServerChannel
from pipeline.errors import DeliveryError, TryAgainError

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pipeline.delivery.carry import FileServer
    from pipeline.settings.destinations import FtpsDestination
    from pipeline.settings.secrets import Secrets

_BLOCK = 64 * 1024
#: seconds that the end of a transfer's TLS is waited for; some servers never say it
_GOODBYE = 5.0
_NOT_KNOWN = ("500", "501", "502", "504")
_NO_ROOM = ("452", "552")


class FtpsChannel(ServerChannel):
    """Carries files by FTP over TLS: see `ServerChannel`."""

    scheme, usual_port = "ftps", 21

    def __init__(self, destination: FtpsDestination, secrets: Secrets) -> None:
        super().__init__(destination)
        self._server, self._secrets = destination, secrets

    def connected(self) -> AbstractContextManager[FileServer]:
        """Opens a connection to the server whose certificate is verified."""
        return _connected(self._server, self._secrets)


class _Ftp(ftplib.FTP_TLS):
    """Takes the control connection's TLS session for data: many servers accept no other, lest somebody steps in."""

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        plain, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321 - the next line makes it TLS
        control: Any = self.sock
        return self.context.wrap_socket(plain, server_hostname=self.host, session=control.session), size


class _Session:
    """An open connection: see `carry.FileServer`."""

    def __init__(self, ftp: _Ftp, where: str, timeout: float) -> None:
        self._ftp, self._where, self._timeout = ftp, where, timeout
        with self._asking("answer", "the login"):
            self._home = ftp.pwd()
            features = self._features()
            ftp.voidcmd("TYPE I")
        self._goes_on = "REST STREAM" in features

    def is_folder(self, path: str) -> bool:
        try:
            with self._asking("look at", path):
                self._ftp.cwd(path)
        except FileNotFoundError:
            return False
        with self._asking("go back to", self._home):
            self._ftp.cwd(self._home)
        return True

    def make_folders(self, folder: str) -> None:
        if not folder.strip("/") or self.is_folder(folder):
            return
        self.make_folders(folder.rstrip("/").rpartition("/")[0])
        try:
            with self._asking("make the folder", folder):
                self._ftp.mkd(folder)
        except TryAgainError:
            raise
        except (FileNotFoundError, DeliveryError) as error:
            # Somebody else may have made it just now.
            if not self.is_folder(folder):
                raise DeliveryError(
                    f"the server did not make the folder {folder} ({error})",
                    where=self._where,
                    mend="ask the receiver for it, or for the right to make it",
                ) from None

    def size(self, path: str) -> int | None:
        try:
            with self._asking("say the size of", path):
                return self._ftp.size(path)
        except FileNotFoundError:
            return None

    def digest(self, path: str) -> str:
        digest, read = hashlib.sha256(), 0
        with self._asking("read", path), self._ftp.transfercmd(f"RETR {path}") as data:
            while block := data.recv(_BLOCK):
                digest.update(block)
                read += len(block)
            self._end(data)
            self._ftp.voidresp()
        if read != self.size(path):
            # An end that was cut off looks like the end.
            raise TryAgainError(f"the server gave {read} bytes of {path} and no more", where=self._where)
        return digest.hexdigest()

    def put(self, source: Path, path: str, start: int | None = None) -> None:
        first = start or 0 if self._goes_on else 0
        with self._asking("write", path), source.open("rb") as read:
            read.seek(first)
            with self._ftp.transfercmd(f"STOR {path}", first or None) as data:
                try:
                    while block := read.read(_BLOCK):
                        data.sendall(block)
                    self._end(data)
                except OSError as error:
                    if isinstance(error, TimeoutError):
                        raise
                    # Why it ended the transfer it says on the other connection.
                    data.close()
                    self._ftp.voidresp()
                    raise
            self._ftp.voidresp()

    def rename(self, old: str, new: str) -> None:
        if self.size(new) is not None:
            raise FileExistsError
        with self._asking("rename", old):
            self._ftp.sendcmd(f"RNFR {old}")
        try:
            with self._asking("rename", old):
                self._ftp.voidcmd(f"RNTO {new}")
        except TryAgainError:
            raise
        except (FileNotFoundError, DeliveryError) as error:
            if self.size(new) is not None:
                raise FileExistsError from None
            raise DeliveryError(f"the server did not rename to {new} ({error})", where=self._where) from None

    def remove(self, path: str) -> None:
        with self._asking("remove", path):
            self._ftp.delete(path)

    def _features(self) -> str:
        try:
            features = self._ftp.sendcmd("FEAT").upper()
        except ftplib.error_perm:
            return ""
        if "UTF8" in features:
            with suppress(ftplib.error_perm):
                self._ftp.sendcmd("OPTS UTF8 ON")
        return features

    def _end(self, data: socket.socket) -> None:
        """Says that all is sent. A server that does not answer to that has said so by its reply on the other one."""
        if isinstance(data, ssl.SSLSocket):
            data.settimeout(min(_GOODBYE, self._timeout))
            with suppress(OSError, ValueError):
                data.unwrap()

    @contextmanager
    def _asking(self, doing: str, path: str) -> Iterator[None]:
        """Raises: FileNotFoundError for the answer 550, which says so of what is missing and of what is forbidden."""
        try:
            yield
        except FileNotFoundError:
            raise
        except ftplib.error_perm as error:
            if str(error).startswith("550") and not _is_forbidden(str(error)):
                raise FileNotFoundError(str(error)) from None
            raise _refused(error, f"the server did not {doing} {path}", self._where) from None
        except ftplib.Error as error:
            raise _refused(error, f"the server did not {doing} {path}", self._where) from None
        except (OSError, EOFError) as error:
            raise tls.lost(error, f"the server did not {doing} {path}", self._where, self._timeout) from None


def _is_forbidden(said: str) -> bool:
    return any(word in said.lower() for word in ("denied", "permission", "privilege", "not allowed"))


def _refused(error: ftplib.Error, doing: str, where: str) -> DeliveryError:
    said = " ".join(str(error).split())
    if not isinstance(error, ftplib.error_perm):
        mend = "its disk may be full" if said.startswith(_NO_ROOM) else None
        return TryAgainError(f"{doing} ({said})", where=where, mend=mend)
    if said.startswith(_NO_ROOM):
        return TryAgainError(f"{doing} ({said})", where=where, mend="its disk may be full, or a quota reached")
    mend = "ask the receiver for the right to do that" if _is_forbidden(said) else None
    return DeliveryError(f"{doing} ({said})", where=where, mend=mend)


@contextmanager
def _connected(destination: FtpsDestination, secrets: Secrets) -> Iterator[_Session]:
    """Opens a connection, verified and logged in: before that nothing is said of us."""
    where = f"{destination.user}@{destination.host} port {destination.port}"
    password = ""
    if destination.password_secret is not None:
        password = secrets.get(destination.password_secret).get_secret_value()
    timeout = destination.timeout_seconds
    ftp = _Ftp(context=tls.context(destination.ca_file), timeout=timeout)
    try:
        try:
            ftp.connect(destination.host, destination.port)
            _secure(ftp, where)
            _log_in(ftp, destination.user, password, where)
        except ftplib.Error as error:
            raise _refused(error, "the server does not serve", where) from None
        except (OSError, EOFError) as error:
            raise tls.lost(error, "the server cannot be reached", where, timeout) from None
        yield _Session(ftp, where, timeout)
        with suppress(OSError, EOFError, ftplib.Error):
            ftp.quit()
    finally:
        ftp.close()


def _secure(ftp: _Ftp, where: str) -> None:
    try:
        ftp.auth()
    except ftplib.error_perm as error:
        raise DeliveryError(
            f"the server does not speak TLS ({error})",
            where=where,
            mend="nothing was sent: files and passwords do not go in the clear",
        ) from None


def _log_in(ftp: _Ftp, user: str, password: str, where: str) -> None:
    if "\n" in user + password or "\r" in user + password:
        raise DeliveryError("user or password holds a line break", where=where)
    try:
        ftp.login(user, password)
    except ftplib.error_perm as error:
        said = str(error).replace(password, "…") if password else str(error)
        raise DeliveryError(
            f"the server does not accept this user with this password ({said})",
            where=where,
            mend="check user and secret with the receiver",
        ) from None
    ftp.prot_p()
