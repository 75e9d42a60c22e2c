"""The settings of a company's installation: one TOML file, checked whole (docs/settings.md)."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError, field_validator, model_validator

from pipeline.errors import SettingsError
from pipeline.settings.api import Api
from pipeline.settings.base import Beside, Model, Name
from pipeline.settings.destinations import Destination, EmailDestination, Mail, Notify
from pipeline.settings.schedules import PaymentsSchedule, Schedule, SyncSchedule
from pipeline.settings.secrets import Secrets
from pipeline.settings.sources import Source

#: tables whose rows are of one model or another
_CHOICES = frozenset({"destinations", "sources", "schedules"})


class Lineage(Model):
    """Where OpenLineage events are appended, as lines of JSON; namespace: what tells this installation's jobs."""

    file: Beside
    namespace: str = "lettrage"


class Settings(Model):
    """The installation.

    store: the ledger, a directory or s3://bucket/prefix. reference: the reference tables. profiles: the folder of the
    export profiles. out: where scheduled exports are kept. state: deliveries under way, schedules, API keys and jobs; a
    ledger has one. secrets: see pipeline.settings.secrets. timezone: of the hours in schedules.
    """

    store: str
    reference: Beside = Path("reference")
    profiles: Beside = Path("profiles")
    out: Beside = Path("files")
    state: Beside = Path("state")
    secrets: Beside | None = None
    timezone: str = "Europe/Paris"
    mail: Mail | None = None
    notify: Notify | None = None
    destinations: dict[Name, Destination] = {}
    sources: dict[Name, Source] = {}
    schedules: dict[Name, Schedule] = {}
    api: Api = Api()
    lineage: Lineage | None = None

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{zone!r} is no time zone: write it as Europe/Paris") from None
        return zone

    @model_validator(mode="after")
    def _names_what_is_there(self) -> Settings:
        for name, destination in self.destinations.items():
            if destination.notify and self.mail is None:
                raise ValueError(f"destination {name}, notify: it needs [mail], the server that mail goes out by")
            if isinstance(destination, EmailDestination):
                if self.mail is None:
                    raise ValueError(f"destination {name} needs [mail], the server that mail goes out by")
                if destination.link_by is not None:
                    _demand(self.destinations, destination.link_by, f"destination {name}, link_by", "destination")
                    if isinstance(self.destinations[destination.link_by], EmailDestination):
                        raise ValueError(f"destination {name}, link_by: a link leads to no mail")
        if self.notify is not None and self.mail is None:
            raise ValueError("[notify] needs [mail], the server that mail goes out by")
        for name, schedule in self.schedules.items():
            if isinstance(schedule, PaymentsSchedule):
                for one in schedule.destinations:
                    _demand(self.destinations, one, f"schedule {name}", "destination")
            if isinstance(schedule, SyncSchedule):
                _demand(self.sources, schedule.source, f"schedule {name}", "source")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of schedules."""
        return ZoneInfo(self.timezone)

    def known_secrets(self) -> Secrets:
        """Where secrets are found."""
        return Secrets(self.secrets)


def _demand(known: dict[str, Any], name: str, where: str, what: str) -> None:
    if name not in known:
        raise ValueError(f"{where}: there is no {what} {name} ({', '.join(sorted(known)) or 'none is described'})")


def load_settings(path: Path) -> Settings:
    """Reads the settings; relative paths in them are beside the file.

    Raises: SettingsError naming the file and every key that is wrong.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            "there are no settings", where=str(path), mend="docs/settings.md has an example; --config names the file"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"this is no TOML: {said}", where=str(path)) from None
    beside = path.absolute().parent
    if isinstance(raw.get("store"), str) and not raw["store"].startswith("s3://"):
        raw["store"] = os.path.normpath(beside / Path(raw["store"]).expanduser())
    for key, default in (("reference", "reference"), ("profiles", "profiles"), ("out", "files"), ("state", "state")):
        raw.setdefault(key, default)
    try:
        return Settings.model_validate(raw, context={"beside": beside})
    except ValidationError as error:
        raise SettingsError(_said(error), where=str(path), mend="docs/settings.md lists the keys") from None


def _said(error: ValidationError) -> str:
    """What is wrong, a key a line; values are left out, for one may be a secret at the wrong place."""
    lines = []
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        parts = [str(part) for part in fault["loc"]]
        if parts and parts[0] in _CHOICES:
            del parts[2:3]  # the name of the model that was chosen
        said = "there is no such key" if fault["type"] == "extra_forbidden" else fault["msg"]
        lines.append(f"{'.'.join(parts) or 'as a whole'}: {said.removeprefix('Value error, ')}")
    return lines[0] if len(lines) == 1 else "\n  ".join([f"{len(lines)} keys are wrong:", *lines])
