"""Where a store's files are: a bucket of an S3-compatible server (docs/store.md, "On a bucket").

Nobody can lock a bucket. What keeps two writers apart is that the server writes an object only where there is none of
that name (`If-None-Match: *`): the log's next file has one writer. A server that does not know the header is found out
before anything is written.

Segments never change and bear the SHA-256 of their content, so SQL reads copies in a directory of this machine, each
held to its digest before it is read. The copies can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from pipeline.errors import StoreError, UsageError, first_line
from pipeline.ledger.store import GRACE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_UNFINISHED = ".writing-"
#: an object that every writer tries to make anew, and must not be able to
_MARKER = ".put-if-absent"
_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?\Z")
#: seconds after which an upload that no commit has named yet is made anew, so that nobody takes it for a dead run's
_REFRESH = 1800.0
_PIECE = 8 * 1024 * 1024
_RETRIES = 4
_RETRY_SECONDS = 60
_CONNECT_SECONDS = 10
#: for an object as a whole, which may be a large segment on a slow line
_SEGMENT_SECONDS = 300
_NEVER_CHANGES = re.compile(r"_delta_log/\d{20}\.json\Z")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d{3})|\b([45]\d\d) (?:Forbidden|Unauthorized|Not Found)")
_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT")
_PLAIN = re.compile(r"[!-~]+\Z")
_REFUSED = {"401", "403", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"}
_CHECK_NAME = "check the name of the bucket, AWS_REGION and AWS_ENDPOINT_URL"
_CHECK_KEYS = (
    "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, and what they may do with the bucket"
)
_CHECK_SERVER = "check AWS_ENDPOINT_URL and the network, then give the command again"
_AGAIN = "give the command again"


@dataclass(frozen=True)
class _Listed:
    """An object as the last list of the bucket showed it. written: seconds since 1970."""

    size: int
    written: float
    tag: str | None


class Bucket:
    """A bucket, or what is under a prefix of it, as the place of a store.

    Endpoint and credentials are taken from the environment, under the names that the tools of AWS give them.
    """

    def __init__(self, bucket: str, prefix: str, cache: Path) -> None:
        library = _library()
        self._bucket, self._prefix = bucket, prefix
        try:
            self._objects = library.store.S3Store(
                bucket,
                prefix=prefix or None,
                client_options={
                    "allow_http": _allows_http(),
                    "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
                    "timeout": timedelta(seconds=_SEGMENT_SECONDS),
                },
                retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)},
            )
        except library.exceptions.BaseError as error:
            raise self._failed(error) from None
        endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
        told_apart = hashlib.sha256(f"{endpoint} {self.address}".encode()).hexdigest()[:16]
        self._cache = cache / f"{bucket}-{told_apart}"
        self._listed: dict[str, _Listed] = {}
        self._known: dict[str, tuple[str, bytes]] = {}
        self._uploaded: dict[str, float] = {}
        self._mark = str(secrets.randbelow(10**12))

    @classmethod
    def of(cls, address: str) -> Self:
        """The place of an address. Raises: UsageError where it can be none."""
        found = _ADDRESS.match(address)
        prefix = (found[2] or "").rstrip("/") if found else ""
        if found is None or (prefix and any(part in ("", ".", "..") for part in prefix.split("/"))):
            raise UsageError("this is no address of a bucket", where=address, mend="write s3://bucket/prefix")
        _check_environment()
        return cls(found[1], prefix, cache_directory())

    def __str__(self) -> str:
        return self.address

    @property
    def address(self) -> str:
        """What deltalake opens."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    @property
    def options(self) -> Mapping[str, str]:
        """What deltalake needs besides the address; credentials it takes from the environment itself."""
        return {
            "aws_conditional_put": "etag",
            "aws_s3_allow_unsafe_rename": "false",
            "allow_http": str(_allows_http()).lower(),
            "max_retries": str(_RETRIES),
            "retry_timeout": f"{_RETRY_SECONDS}s",
            "connect_timeout": f"{_CONNECT_SECONDS}s",
        }

    @property
    def readable_roots(self) -> list[Path]:
        """The directory of the copies."""
        self._make(self._cache)
        return [self._cache]

    @property
    def has_lock(self) -> bool:
        """A bucket has none."""
        return False

    @property
    def checkpoint_every(self) -> int:
        """A run reads the log several times over, a request a file: fewer files after the checkpoint than on a disk."""
        return 10

    @property
    def writer_mark(self) -> str:
        """A number of this writer's own: what it uploads is nobody else's."""
        return self._mark

    def at(self, name: str) -> str:
        """The copy on this machine, which `holds` brings."""
        return str(self._cache / name)

    def shown(self, name: str) -> str:
        """The address of an object."""
        return f"{self.address}/{name}"

    def told(self, error: BaseException) -> str:
        """What a library says of the server, without what it says of the request: that may hold parts of a key."""
        line = first_line(error)
        return _reason(str(error))[0] if re.search("S3|http|<", line) else line

    def exists(self) -> bool:
        """A prefix is there as soon as something is written to it."""
        return True

    def is_directory(self) -> bool:
        """As `exists`."""
        return True

    def sizes(self) -> dict[str, int]:
        """Every object under the prefix, with its size. Raises: StoreError where the bucket cannot be listed."""
        with self._asking():
            found = _library().list(self._objects).collect()
        self._listed = {
            str(one["path"]): _Listed(int(one["size"]), one["last_modified"].timestamp(), one["e_tag"]) for one in found
        }
        self._known = {
            name: known
            for name, known in self._known.items()
            if name in self._listed and self._listed[name].tag == known[0]
        }
        return {name: one.size for name, one in self._listed.items()}

    def read(self, name: str) -> bytes:
        """The content of an object; a file of the log, which never changes, is asked for once.

        Raises: FileNotFoundError, StoreError.
        """
        listed = self._listed.get(name)
        known = self._known.get(name)
        if listed is not None and known is not None and known[0] == listed.tag:
            return known[1]
        with self._asking(name):
            got = _library().get(self._objects, name)
            content = bytes(got.bytes())
        tag = got.meta["e_tag"]
        if tag is not None and _NEVER_CHANGES.match(name):
            self._known[name] = (tag, content)
        return content

    def digest(self, name: str) -> str:
        """SHA-256 of an object as the bucket has it now: it is read whole, and kept where there is no copy yet.

        Raises: FileNotFoundError, StoreError.
        """
        path = self._cache / name
        copy, digest = self._bring(name)
        if path.exists():
            copy.unlink()
        else:
            copy.replace(path)
        return digest

    def holds(self, name: str, digest: str | None) -> bool:
        """Whether the copy on this machine has this SHA-256; one that is missing or another is brought anew.

        Raises: StoreError where the bucket cannot be read, or the copy not be written.
        """
        path = self._cache / name
        try:
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == digest:
                    return True
        except OSError:
            pass
        try:
            copy, found = self._bring(name)
        except FileNotFoundError:
            return False
        if found == digest:
            copy.replace(path)
        else:
            copy.unlink()
        return found == digest

    def modified(self, name: str) -> float:
        """When an object was written, by the server's clock. Raises: FileNotFoundError, StoreError."""
        if name in self._listed:
            return self._listed[name].written
        with self._asking(name):
            return float(_library().head(self._objects, name)["last_modified"].timestamp())

    def begin(self, folder: str) -> Path:
        """A path on this machine, to write a new file to. Raises: StoreError."""
        self._make(self._cache / folder)
        return self._cache / folder / f"{_UNFINISHED}{uuid.uuid4().hex}"

    def finish(self, path: Path, name: str) -> None:
        """Uploads a file; it stays as the copy of this machine. Raises: StoreError."""
        self._upload(path, name)
        path.replace(self._cache / name)

    def put(self, name: str, content: bytes) -> None:
        """Writes a small object, in place of what had its name. Raises: StoreError."""
        with self._asking():
            _library().put(self._objects, name, content)
        self._known.pop(name, None)

    def durable(self, names: Iterable[str], *, content: bool = False) -> None:
        """What a server has answered for lasts. An upload that is waiting for its commit for long is made anew.

        Raises: StoreError.
        """
        del content
        now = time.monotonic()
        for name in names:
            if now - self._uploaded.get(name, now) > _REFRESH:
                self._upload(self._cache / name, name)

    def remove(self, names: Iterable[str]) -> None:
        """Removes objects, and their copies on this machine. Raises: StoreError."""
        gone = list(names)
        if gone:
            with self._asking():
                _library().delete(self._objects, gone)
        for name in gone:
            (self._cache / name).unlink(missing_ok=True)

    def set_aside(self, name: str) -> str:
        """Refuses: without a lock nobody may move a file of the log, and a bucket holds no halves of one.

        Raises: StoreError.
        """
        raise StoreError(
            "this object is not what was written, and a bucket cuts nothing off: it was changed",
            where=self.shown(name),
            mend="bring back the version of the object that was there, or restore the store from a back-up",
        )

    @contextmanager
    def locked(self, wait: float) -> Iterator[None]:
        """Keeps nobody out; makes sure that the server writes an object only where there is none, as it is asked to.

        Raises: StoreError where it does not: two writers would then both believe to have won.
        """
        del wait
        self.prune()
        if self._makes(_MARKER) and self._makes(_MARKER):
            raise StoreError(
                "this server overwrites an object that it was asked to write only where there is none "
                "(If-None-Match: *), so two runs at once would destroy one another's entries",
                where=str(self),
                mend="use a server that knows conditional writes, as Amazon S3 does, or a directory",
            )
        yield

    def is_lock(self, name: str) -> bool:
        """Whether an object is the one by which conditional writes are tried out."""
        return name == _MARKER

    def _makes(self, name: str) -> bool:
        """Whether the server says to have made an object anew."""
        library = _library()
        try:
            with self._asking():
                library.put(self._objects, name, b"", mode="create", use_multipart=False)
        except library.exceptions.AlreadyExistsError:
            return False
        return True

    def _upload(self, path: Path, name: str) -> None:
        with self._asking():
            _library().put(self._objects, name, path)
        self._uploaded[name] = time.monotonic()

    def _bring(self, name: str) -> tuple[Path, str]:
        """Copies an object to this machine, to a name that nobody looks for; returns it and its SHA-256.

        Raises: FileNotFoundError, StoreError.
        """
        copy, digest = self.begin(name.rpartition("/")[0]), hashlib.sha256()
        try:
            with self._asking(name):
                got = _library().get(self._objects, name)
                with copy.open("wb") as file:
                    for piece in got.stream(min_chunk_size=_PIECE):
                        digest.update(piece)
                        file.write(piece)
        except StoreError:
            copy.unlink(missing_ok=True)
            raise
        except OSError as error:
            copy.unlink(missing_ok=True)
            if isinstance(error, FileNotFoundError):
                raise
            raise self._no_cache(error) from None
        return copy, digest.hexdigest()

    @contextmanager
    def _asking(self, name: str | None = None) -> Iterator[None]:
        """Turns what the library raises into a sentence. name: of an object that may be missing.

        Raises: FileNotFoundError for an object that is missing, AlreadyExistsError as it comes, StoreError.
        """
        library = _library()
        try:
            yield
        except library.exceptions.AlreadyExistsError:
            raise
        except (library.exceptions.BaseError, FileNotFoundError, PermissionError, TimeoutError) as error:
            if name is not None and isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error):
                raise FileNotFoundError(f"{self.shown(name)} is missing") from None
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> StoreError:
        what, mend = _reason(str(error))
        return StoreError(f"the bucket cannot be used ({what})", where=str(self), mend=mend)

    def _make(self, folder: Path) -> None:
        try:
            self._cache.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._no_cache(error) from None

    def _no_cache(self, error: OSError) -> StoreError:
        return StoreError(
            f"the copies of the bucket's segments cannot be written ({error.strerror or error})",
            where=str(self._cache),
            mend="make room or mend its rights, or name another directory in LETTRAGE_CACHE",
        )

    def prune(self) -> None:
        """Removes the copies of what the bucket has no more, and halves that killed commands left."""
        since = time.time() - GRACE
        for path in self._cache.glob("kind=*/*") if self._listed else ():
            name = path.relative_to(self._cache).as_posix()
            try:
                if name not in self._listed and path.stat().st_mtime < since:
                    path.unlink()
            except OSError:
                continue


def cache_directory() -> Path:
    """Where the copies of segments are: LETTRAGE_CACHE, or the user's directory for what can be made again."""
    named = os.environ.get("LETTRAGE_CACHE")
    if named:
        return Path(named).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "lettrage"


def _check_environment() -> None:
    """Looks at what the libraries take from the environment: some of it would end them in a panic.

    Raises: UsageError naming the variable, never with what it holds.
    """
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", *_ENDPOINTS):
        value = os.environ.get(name)
        if value is not None and not _PLAIN.match(value):
            raise UsageError(
                "this variable is empty or holds characters that it cannot hold", where=name, mend="mend it"
            )
        if value is None or name not in _ENDPOINTS:
            continue
        if not _is_address(value):
            raise UsageError("this variable is no address of a server", where=name, mend="write https://host:port")
        if value.startswith("http:") and not _allows_http():
            raise UsageError(
                "this server would see the ledger without TLS",
                where=name,
                mend="write https://, or AWS_ALLOW_HTTP=true",
            )


def _is_address(value: str) -> bool:
    try:
        said = urlsplit(value)
        return (
            said.scheme in ("http", "https") and bool(said.hostname) and said.port != 0 and not re.search("[@?]", value)
        )
    except ValueError:
        return False


def _allows_http() -> bool:
    return os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true", "yes")


def _library() -> Any:
    """The library for object access. Raises: UsageError where it is not installed."""
    try:
        import obstore  # noqa: PLC0415 - an extra
        import obstore.exceptions  # noqa: PLC0415 - an extra
        import obstore.store  # noqa: PLC0415 - an extra
    except ImportError:
        raise UsageError("buckets need a library that is not installed", mend="pip install 'lettrage[s3]'") from None
    return obstore


def _reason(said: str) -> tuple[str, str]:
    """What a library's message comes to, and how to mend it.

    The message itself is never shown: a server's answer repeats the key's name and what was signed.
    """
    code = next(iter(_CODE.findall(said)), "")
    status = next((first or second for first, second in _STATUS.findall(said)), "")
    answered = f"the server says {' '.join(filter(None, (status, code)))}"
    host = urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).hostname or "Amazon S3"
    reasons = (
        (code == "NoSuchBucket", "there is no bucket of that name", _CHECK_NAME),
        (status in _REFUSED or code in _REFUSED, f"{answered}: it does not accept the credentials", _CHECK_KEYS),
        (status == "301" or "redirect" in said, "the bucket is in another region", _CHECK_NAME),
        ("169.254." in said or "credential" in said.lower(), "there are no credentials", _CHECK_KEYS),
        ("sending request" in said or "timed out" in said, f"no answer from {host}", _CHECK_SERVER),
        (bool(code or status), answered, _AGAIN),
        (True, "the server gave no answer that can be understood", _AGAIN),
    )
    return next((what, mend) for holds, what, mend in reasons if holds)
