"""Where master data comes from: files that another system drops (docs/master-data.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.settings.base import Beside, Model, Port, SecretName


class _Source(Model):
    """What every source has.

    mode: `full` says that what is not in the files is gone, `changes` that they hold only what is new or changed.
    tables: the reference tables that it may bring, all where there are none. strict: one rejected line, and nothing of
    the drop is applied. most_vanishing_percent: of a table; a file that was cut short is not taken for the whole.
    """

    mode: Literal["full", "changes"] = "changes"
    tables: list[str] = []
    strict: bool = False
    most_vanishing_percent: Annotated[int, Field(ge=0, le=100)] = 20


class FolderSource(_Source):
    """A folder that is watched: each drop is a folder or a file in it; what was taken goes to done/ below it."""

    by: Literal["folder"]
    path: Beside


class SftpSource(_Source):
    """A folder of a secure file server; what was taken is moved to `done_folder` there. Keys as of a destination."""

    by: Literal["sftp"]
    host: str
    port: Port = 22
    user: str
    known_hosts: Beside
    password_secret: SecretName | None = None
    key_secret: SecretName | None = None
    key_file: Beside | None = None
    passphrase_secret: SecretName | None = None
    folder: str = ""
    done_folder: str = "done"
    timeout_seconds: Annotated[float, Field(gt=0)] = 60

    @model_validator(mode="after")
    def _has_one_way_in(self) -> SftpSource:
        if sum(way is not None for way in (self.password_secret, self.key_secret, self.key_file)) != 1:
            raise ValueError("give one of password_secret, key_secret and key_file")
        return self


Source = Annotated[FolderSource | SftpSource, Field(discriminator="by")]
