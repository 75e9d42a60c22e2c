"""Where files go: a destination is named by profiles, schedules and `lettrage deliver --to` (docs/delivery.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.settings.base import Beside, Model, Port, SecretName

Security = Literal["starttls", "tls", "none"]


class Mail(Model):
    """The SMTP server that mail goes out by. sender: an address, or `Name <address>`."""

    host: str
    port: Port = 587
    security: Security = "starttls"
    user: str | None = None
    password_secret: SecretName | None = None
    sender: str
    ca_file: Beside | None = None
    timeout_seconds: Annotated[float, Field(gt=0)] = 60

    @model_validator(mode="after")
    def _hides_the_password(self) -> Mail:
        if self.security == "none" and self.password_secret is not None:
            raise ValueError("a password is not sent in the clear: security is starttls or tls")
        return self


class Notify(Model):
    """Who is told of a delivery or a schedule that failed."""

    to: Annotated[list[str], Field(min_length=1)]


class _Destination(Model):
    """What every destination has.

    attempts: how often a delivery is tried in one go, with a growing wait from wait_seconds to at most a minute.
    control_sheet: the export's control sheet goes along. notify: who is told in place of those of [notify].
    """

    attempts: Annotated[int, Field(ge=1, le=100)] = 5
    wait_seconds: Annotated[float, Field(ge=0)] = 1.0
    control_sheet: bool = False
    notify: list[str] = []


class FolderDestination(_Destination):
    """A directory, on this machine or mounted. folder: below it, with $legal_entity, $profile, $year, $month ….

    existing: it must be there (a share that is not mounted is not made anew on the local disk).
    """

    by: Literal["folder"]
    path: Beside
    folder: str = ""
    existing: bool = True


class _Server(_Destination):
    host: str
    user: str
    password_secret: SecretName | None = None
    folder: str = ""
    timeout_seconds: Annotated[float, Field(gt=0)] = 60


class SftpDestination(_Server):
    """A secure file server. known_hosts: the file that names its key; a server that it does not name is refused.

    key_secret, key_file: the private key, as a secret or in a file; passphrase_secret: of the key. verify: what a file
    is compared by once it is there, its size or its digest, which reads it back.
    """

    by: Literal["sftp"]
    port: Port = 22
    known_hosts: Beside
    key_secret: SecretName | None = None
    key_file: Beside | None = None
    passphrase_secret: SecretName | None = None
    verify: Literal["size", "digest"] = "size"

    @model_validator(mode="after")
    def _has_one_way_in(self) -> SftpDestination:
        if sum(way is not None for way in (self.password_secret, self.key_secret, self.key_file)) != 1:
            raise ValueError("give one of password_secret, key_secret and key_file")
        return self


class FtpsDestination(_Server):
    """A file server by FTP over TLS, explicit. verify: as of a secure file server.

    ca_file: the authority that signed its certificate, where the system does not know it.
    """

    by: Literal["ftps"]
    port: Port = 21
    ca_file: Beside | None = None
    verify: Literal["size", "digest"] = "size"


class EmailDestination(_Destination):
    """People. subject, text: templates with $legal_entity, $profile, $files ….

    Above attach_up_to_mb together the files are not attached: they are put at `link_by` (a destination) and linked as
    link_base followed by their name there. after_unclear: what is done when the connection broke after the text was
    sent and before the server's answer: `ask` leaves it to a person, `send` sends it again under the same Message-ID.
    """

    by: Literal["email"]
    to: Annotated[list[str], Field(min_length=1)]
    cc: list[str] = []
    bcc: list[str] = []
    subject: str = "$legal_entity: $profile $period"
    text: str = "The files of $subject ($entries entries, $period) of $entity_name:\n\n$files\n"
    attach_up_to_mb: Annotated[float, Field(ge=0)] = 10
    link_by: str | None = None
    link_base: str | None = None
    after_unclear: Literal["ask", "send"] = "ask"

    @model_validator(mode="after")
    def _links_somewhere(self) -> EmailDestination:
        if (self.link_by is None) != (self.link_base is None):
            raise ValueError("link_by and link_base go together")
        return self


class BucketDestination(_Destination):
    """An S3-compatible bucket. endpoint: of another service than Amazon's. Without secrets: the environment's own.

    timeout_seconds: of a request, and so of a file. after_unclear: what is done when the connection broke before the
    server's answer and the object is not there: `send` writes it (again), `ask` leaves it to a person, for a bucket
    whose objects are taken away as soon as they appear.
    """

    by: Literal["s3"]
    bucket: str
    folder: str = ""
    endpoint: str | None = None
    region: str | None = None
    timeout_seconds: Annotated[float, Field(gt=0)] = 300
    after_unclear: Literal["ask", "send"] = "send"
    access_key_secret: SecretName | None = None
    secret_key_secret: SecretName | None = None

    @model_validator(mode="after")
    def _has_both_keys(self) -> BucketDestination:
        if (self.access_key_secret is None) != (self.secret_key_secret is None):
            raise ValueError("access_key_secret and secret_key_secret go together")
        return self


Destination = Annotated[
    FolderDestination | SftpDestination | FtpsDestination | EmailDestination | BucketDestination,
    Field(discriminator="by"),
]
