"""Delivery to an S3-compatible bucket (the extra `s3`).

An object is there whole or not at all, so there is no hidden name: it is written where there is none of its name. An
answer that was lost is made up for by reading back what is there.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pipeline.delivery.carry import waiting
from pipeline.delivery.parcel import SENDING, Receipt, folder_for
from pipeline.errors import DeliveryError, SettingsError, TryAgainError, UnclearError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.delivery.parcel import Parcel, ParcelFile, Steps
    from pipeline.settings.destinations import BucketDestination
    from pipeline.settings.secrets import Secrets

#: bytes above which an object is written in parts: a request holds no more than 5 GB, and it goes through memory
_IN_ONE = 256 * 1024 * 1024
_PIECE = 8 * 1024 * 1024
_REFUSED = "refused"
_PLAIN = re.compile(r"[!-~]+\Z")
_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
)
_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d{3})|\b([45]\d\d) (?:Forbidden|Unauthorized|Not Found)")
_NEVER_SENT = re.compile(r"dns error|Connection refused|tcp connect error", re.IGNORECASE)
_BAD_KEYS = {
    "401",
    "403",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "AccessDenied",
    "ExpiredToken",
    "InvalidToken",
}


class BucketChannel:
    """Writes objects where there are none of their names, and never in place of another."""

    def __init__(self, destination: BucketDestination, secrets: Secrets) -> None:
        self._destination, self._secrets = destination, secrets
        self.folder = destination.folder

    def deliver(self, parcel: Parcel, steps: Steps) -> None:
        """Carries what has no receipt yet: see `Channel.deliver`."""
        files = waiting(parcel, steps)
        if not files:
            return
        folder = folder_for(parcel, self.folder)
        bucket = _Bucket(self._destination, self._secrets)
        for file in files:
            key = str(folder / file.name).lstrip("/")
            said = self._carried(file, key, bucket, steps)
            address = f"s3://{self._destination.bucket}/{key}"
            steps.arrived(Receipt(file.name, address, file.size, file.sha256, datetime.now(UTC), said))

    def _carried(self, file: ParcelFile, key: str, bucket: _Bucket, steps: Steps) -> str:
        if bucket.size(key) is not None:
            bucket.demand_same(key, file)
            return "it was there already"
        if steps.get(file.name) == SENDING and self._destination.after_unclear == "ask":
            raise UnclearError(
                "the connection broke before the server's answer, and the object is not there: nobody can tell whether "
                "it was taken before",
                where=f"s3://{self._destination.bucket}/{key}",
                mend="ask the receiver",
            )
        steps.say(file.name, SENDING)
        try:
            return bucket.put(key, file)
        except FileExistsError:
            bucket.demand_same(key, file)
            return "it was there already"
        except _NotSentError as error:
            steps.say(file.name, _REFUSED)
            raise error.of from None


class _NotSentError(Exception):
    """The object was certainly not written. of: the error for a person."""

    def __init__(self, of: DeliveryError) -> None:
        super().__init__(str(of))
        self.of = of


class _Bucket:
    """The bucket of a destination."""

    def __init__(self, destination: BucketDestination, secrets: Secrets) -> None:
        self._library = _library()
        self._name = destination.bucket
        self._where = f"bucket {destination.bucket}"
        self._host = urlsplit(destination.endpoint or os.environ.get("AWS_ENDPOINT_URL", "")).hostname or "Amazon S3"
        may_be_plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true", "yes")
        _check(destination, self._where, may_be_plain=may_be_plain)
        options: dict[str, Any] = {
            "client_options": {
                "allow_http": may_be_plain,
                "connect_timeout": timedelta(seconds=min(10.0, destination.timeout_seconds)),
                "timeout": timedelta(seconds=destination.timeout_seconds),
            },
            # Whether an attempt may be repeated is known outside; here a second one would hide what the first has done.
            "retry_config": {"max_retries": 0},
        }
        if destination.endpoint is not None:
            options["endpoint"] = destination.endpoint
        if destination.region is not None:
            options["region"] = destination.region
        if destination.access_key_secret is not None and destination.secret_key_secret is not None:
            key = secrets.get(destination.access_key_secret)
            secret = secrets.get(destination.secret_key_secret)
            for value in (key, secret):
                if not _PLAIN.match(value.get_secret_value()):
                    raise SettingsError("a key is empty or holds characters that it cannot hold", where=self._where)
            # A provider, so that a session's token in the environment does not go with keys that are not its own.
            options["credential_provider"] = lambda: {
                "access_key_id": key.get_secret_value(),
                "secret_access_key": secret.get_secret_value(),
                "token": None,
                "expires_at": None,
            }
        try:
            self._objects = self._library.store.S3Store(self._name, **options)
        except (self._library.exceptions.BaseError, ValueError) as error:
            raise self._told(error) from None

    def size(self, key: str) -> int | None:
        """Bytes of an object, None where there is none."""
        try:
            with self._asking():
                return int(self._library.head(self._objects, key)["size"])
        except FileNotFoundError:
            return None

    def demand_same(self, key: str, file: ParcelFile) -> None:
        """Reads an object back. Raises: DeliveryError where it is another one, TryAgainError where it went away."""
        try:
            with self._asking():
                got = self._library.get(self._objects, key)
                digest = hashlib.sha256()
                if int(got.meta["size"]) == file.size:
                    for piece in got.stream(min_chunk_size=_PIECE):
                        digest.update(piece)
        except FileNotFoundError:
            raise TryAgainError("the object went away meanwhile", where=f"s3://{self._name}/{key}") from None
        if digest.hexdigest() != file.sha256 or int(got.meta["size"]) != file.size:
            raise DeliveryError(
                "there is an object of this name and other content",
                where=f"s3://{self._name}/{key}",
                mend="move it away, then `lettrage deliver`: a file of a receiver is never replaced",
            )

    def put(self, key: str, file: ParcelFile) -> str:
        """Writes an object where there is none; gives the server's answer.

        Raises: FileExistsError where there is one, _NotSentError where it was certainly not written.
        """
        is_large = file.size > _IN_ONE
        library = self._library
        try:
            with file.path.open("rb") as content:
                # Parts cannot be put together on condition that there is none yet: for these the look before has to do.
                done = library.put(
                    self._objects,
                    key,
                    content,
                    use_multipart=is_large,
                    **({} if is_large else {"mode": "create"}),
                )
        except library.exceptions.AlreadyExistsError:
            raise FileExistsError from None
        except (library.exceptions.BaseError, OSError) as error:
            told = self._told(error)
            if not isinstance(told, TryAgainError) or _NEVER_SENT.search(str(error)):
                raise _NotSentError(told) from None
            raise told from None
        return f"ETag {done['e_tag']}" if done.get("e_tag") else "stored"

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Raises: FileNotFoundError for an object that is not there."""
        try:
            yield
        except (self._library.exceptions.BaseError, OSError) as error:
            if isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error):
                raise FileNotFoundError from None
            raise self._told(error) from None

    def _told(self, error: Exception) -> DeliveryError:
        """What a library's message comes to. It is never shown: an answer repeats the key and what was signed."""
        said = str(error)
        code = next(iter(_CODE.findall(said)), "")
        status = next((first or second for first, second in _STATUS.findall(said)), "")
        answered = f"the server says {' '.join(filter(None, (status, code)))}"
        check_name = "check bucket, region and endpoint"
        reasons: tuple[tuple[bool, type[DeliveryError], str, str | None], ...] = (
            (code == "NoSuchBucket", DeliveryError, "there is no bucket of that name", check_name),
            (
                bool({code, status} & _BAD_KEYS) or isinstance(error, PermissionError),
                DeliveryError,
                f"{answered}: it does not accept the credentials, or they may not do that",
                "check the keys with the receiver, and what they may do with the bucket",
            ),
            (status == "301" or "redirect" in said, DeliveryError, "the bucket is in another region", check_name),
            (
                "169.254." in said or "credential" in said.lower(),
                DeliveryError,
                "there are no credentials",
                "give access_key_secret and secret_key_secret, or those of the environment",
            ),
            ("sending request" in said or "timed out" in said, TryAgainError, f"no answer from {self._host}", None),
            (bool(code or status), TryAgainError, answered, None),
            (True, TryAgainError, "the server gave no answer that can be understood", None),
        )
        kind, what, mend = next((kind, what, mend) for holds, kind, what, mend in reasons if holds)
        return kind(f"the bucket cannot be used ({what})", where=self._where, mend=mend)


def _check(destination: BucketDestination, where: str, *, may_be_plain: bool) -> None:
    """Looks at what the library is given: some of it would end it in a panic. Raises: SettingsError."""
    for name in _VARIABLES:
        if name in os.environ and not _PLAIN.match(os.environ[name]):
            raise SettingsError("this variable is empty or holds characters that it cannot hold", where=name)
    if destination.endpoint is None:
        return
    try:
        said = urlsplit(destination.endpoint)
        is_address = said.scheme in ("http", "https") and bool(said.hostname) and said.port != 0
    except ValueError:
        is_address = False
    if not is_address or not _PLAIN.match(destination.endpoint) or "@" in destination.endpoint:
        raise SettingsError("endpoint is no address of a server", where=where, mend="write https://host:port")
    if destination.endpoint.startswith("http:") and not may_be_plain:
        raise SettingsError(
            "this server would see the files without TLS", where=where, mend="write https://, or AWS_ALLOW_HTTP=true"
        )


def _library() -> Any:
    try:
        import obstore  # noqa: PLC0415 - an extra
        import obstore.exceptions  # noqa: PLC0415 - an extra
        import obstore.store  # noqa: PLC0415 - an extra
    except ImportError:
        raise SettingsError("buckets need a library that is not installed", mend="pip install 'lettrage[s3]'") from None
    return obstore
