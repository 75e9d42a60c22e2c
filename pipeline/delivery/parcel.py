"""What is delivered: the files of one export or order to one destination, and what a channel has to do with them.

A channel never shows the receiver half a file, never replaces a file of another content, and writes down each step
before and after it, so that an attempt that was cut off anywhere is gone on with and nothing arrives twice.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from string import Template
from typing import TYPE_CHECKING, Protocol

from pipeline.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: steps of a file: its bytes are with the receiver under a name that nobody looks for; it is about to appear
UPLOADED = "uploaded"
#: a message is about to be handed over: from here on nobody knows whether it was, until the server has answered
SENDING = "sending"
#: what a file system takes for more than a name
_NO_NAME = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|]")


@dataclass(frozen=True)
class ParcelFile:
    """A file to deliver. path: where its bytes are on this machine."""

    name: str
    path: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class Parcel:
    """The files of a subject (`export 12`, `order PO-1`) for one destination.

    delivery: an id made of the subject and the destination: the same whenever it is tried again. facts: what
    folders and texts may name as $name.
    """

    delivery: str
    subject: str
    destination: str
    files: tuple[ParcelFile, ...]
    facts: Mapping[str, str] = field(default_factory=dict)

    def hidden_name(self, file: ParcelFile) -> str:
        """The name of a file while it is carried: the same at each attempt, and of no other bytes."""
        mark = hashlib.sha256(f"{self.delivery} {file.sha256}".encode()).hexdigest()[:12]
        return f".{file.name}.{mark}.part"


@dataclass(frozen=True)
class Receipt:
    """What says that a file has arrived. address: where, without any secret. answer: the server's, in its words.

    at: UTC. size in bytes.
    """

    file: str
    address: str
    size: int
    sha256: str
    at: datetime
    answer: str = ""

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {**asdict(self), "at": self.at.isoformat()}

    @classmethod
    def of(cls, said: Mapping[str, object]) -> Receipt:
        """Of what `as_dict` gave."""
        return cls(
            file=str(said["file"]),
            address=str(said["address"]),
            size=int(str(said["size"])),
            sha256=str(said["sha256"]),
            at=datetime.fromisoformat(str(said["at"])),
            answer=str(said["answer"]),
        )


class Steps(Protocol):
    """How far the files of a parcel came in all attempts; what is said is durable when `say` returns."""

    def get(self, file: str) -> str | None:
        """The last step that was said of a file; None where none was."""

    def say(self, file: str, step: str) -> None:
        """Writes a step down."""

    def receipt(self, file: str) -> Receipt | None:
        """The receipt of a file that has arrived already."""

    def arrived(self, receipt: Receipt) -> None:
        """Writes a receipt down: the file is never carried again."""


class Channel(Protocol):
    """One way to carry files: a module by_<channel>.py has one."""

    def deliver(self, parcel: Parcel, steps: Steps) -> None:
        """Carries every file that has no receipt yet, and says each receipt as soon as the file is there.

        Raises: TryAgainError for what may pass, UnclearError where nobody can tell whether it arrived, DeliveryError or
        SettingsError for what a person has to mend. What was said before it stays.
        """


def safe_part(value: str) -> str:
    """A value as a part of a path: no separator, nothing that means another folder."""
    cleaned = _NO_NAME.sub("_", value).strip()
    return cleaned if cleaned.strip(".") else "_" * max(1, len(cleaned))


def filled(text: str, facts: Mapping[str, str], *, where: str) -> str:
    """A template ($name) with the facts in it. Raises: SettingsError naming what it cannot know."""
    try:
        return Template(text).substitute(facts)
    except KeyError as error:
        raise SettingsError(
            f"the template names ${error.args[0]}", where=where, mend=f"it may name {', '.join(sorted(facts))}"
        ) from None
    except ValueError:
        raise SettingsError(
            "the template has a $ that names nothing", where=where, mend="write $$ for a dollar"
        ) from None


def folder_for(parcel: Parcel, folder: str) -> PurePosixPath:
    """The folder that a destination names, with the parcel's facts in it: below the destination, never beside it.

    Raises: SettingsError for a template that names what is not there, or `..`.
    """
    where = f"destination {parcel.destination}, folder"
    made = PurePosixPath(filled(folder, {key: safe_part(value) for key, value in parcel.facts.items()}, where=where))
    if ".." in made.parts:
        raise SettingsError("a folder does not lead out of its destination by ..", where=where, mend="write it whole")
    return made
