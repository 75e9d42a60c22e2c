"""How files get onto a file server, whatever it speaks: written under a hidden name, compared, then renamed.

The hidden name is made of the delivery, so what is there of it is a beginning of these very bytes, and nothing but the
rename takes it away. From these two every attempt knows how far the one before it came.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from pipeline.delivery.parcel import UPLOADED, Receipt, folder_for
from pipeline.errors import DeliveryError, TryAgainError, UnclearError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path, PurePosixPath

    from pipeline.delivery.parcel import Parcel, ParcelFile, Steps
    from pipeline.settings.destinations import FtpsDestination, SftpDestination

#: bytes that are written again where an upload is gone on with: a server may have cut what came last
_SAFETY = 32 * 1024
#: the final name belongs to another file, and the hidden one is still there
_NAME_TAKEN = "name taken"
_NO_NAME = re.compile(r"[\x00-\x1f\x7f/\\]")


class FileServer(Protocol):
    """An open connection. Raises what a `Channel` raises, and FileNotFoundError, FileExistsError (of `rename`)."""

    def is_folder(self, path: str) -> bool:
        """Whether there is such a folder."""

    def make_folders(self, folder: str) -> None:
        """Makes a folder and those above it, where there are none."""

    def size(self, path: str) -> int | None:
        """Bytes of a file, None where there is none."""

    def digest(self, path: str) -> str:
        """SHA-256 of a file, read back."""

    def put(self, source: Path, path: str, start: int | None = None) -> None:
        """Writes a file; start: from this byte on, into the one that is there."""

    def rename(self, old: str, new: str) -> None:
        """Gives another name, which no file has."""

    def remove(self, path: str) -> None:
        """Removes a file."""


@dataclass(frozen=True)
class Place:
    """Where files go on a server. address: gives that of a path there, for receipts and messages, without secrets."""

    server: FileServer
    folder: PurePosixPath
    address: Callable[[str], str]
    verify: Literal["size", "digest"] = "size"

    def path(self, name: str) -> str:
        """The path of a name there."""
        return str(self.folder / name)


class ServerChannel(ABC):
    """Writes under a hidden name, compares, then renames; never onto another file. A subclass says how one connects."""

    scheme: ClassVar[str]
    usual_port: ClassVar[int]

    def __init__(self, destination: SftpDestination | FtpsDestination) -> None:
        self._destination = destination
        self.folder = destination.folder

    @abstractmethod
    def connected(self) -> AbstractContextManager[FileServer]:
        """Opens a connection. Raises: what a `Channel` raises."""

    def deliver(self, parcel: Parcel, steps: Steps) -> None:
        """Carries what has no receipt yet: see `Channel.deliver`."""
        if not waiting(parcel, steps):
            return
        folder = folder_for(parcel, self.folder)
        with self.connected() as server:
            carry(parcel, steps, Place(server, folder, self._address, self._destination.verify))

    def _address(self, path: str) -> str:
        port = "" if self._destination.port == self.usual_port else f":{self._destination.port}"
        return f"{self.scheme}://{self._destination.host}{port}/{path}"


def waiting(parcel: Parcel, steps: Steps) -> list[ParcelFile]:
    """The files without a receipt. Raises: DeliveryError for a name that means more than a name to a server."""
    files = [file for file in parcel.files if steps.receipt(file.name) is None]
    for file in files:
        if _NO_NAME.search(file.name) or file.name in ("", ".", ".."):
            raise DeliveryError(f"{file.name!r} is no name for a file on a server", where=parcel.subject)
    return files


def carry(parcel: Parcel, steps: Steps, place: Place) -> None:
    """Carries every file that has no receipt yet: see `Channel.deliver`."""
    files = waiting(parcel, steps)
    folder = str(place.folder) if place.folder.parts else ""
    if folder and not place.server.is_folder(folder):
        lay_there = [file.name for file in files if steps.get(file.name) == UPLOADED]
        if lay_there:
            raise UnclearError(
                f"the folder is gone in which {', '.join(lay_there)} lay: nobody can tell whether it was taken before",
                where=place.address(folder),
                mend="ask the receiver",
            )
        place.server.make_folders(folder)
    for file in files:
        try:
            said = _carried(parcel, file, steps, place)
        except FileNotFoundError as error:
            address = place.address(place.path(file.name))
            raise TryAgainError(f"a file or folder is not there any more ({error})", where=address) from None
        address = place.address(place.path(file.name))
        steps.arrived(Receipt(file.name, address, file.size, file.sha256, datetime.now(UTC), said))


def _carried(parcel: Parcel, file: ParcelFile, steps: Steps, place: Place) -> str:
    """Has a file be there under its name, and gives how that came about."""
    server, path, hidden = place.server, place.path(file.name), place.path(parcel.hidden_name(file))
    is_uploaded = steps.get(file.name) == UPLOADED
    there, begun = server.size(path), server.size(hidden)
    if is_uploaded and begun is None:
        return "the receiver has taken it" if there is None else "renamed by an attempt that was cut off"
    if there is not None:
        _demand_same(file, steps, place, there, is_begun=begun is not None)
        steps.say(file.name, UPLOADED)
        if begun is not None:
            server.remove(hidden)
        return "it was there already"
    if not is_uploaded or begun != file.size:
        _upload(file, hidden, begun, place)
        steps.say(file.name, UPLOADED)
    try:
        server.rename(hidden, path)
    except FileExistsError:
        # It came just now: what it is, the next attempt says.
        raise TryAgainError("a file of this name has just come", where=place.address(path)) from None
    return "uploaded and renamed"


def _demand_same(file: ParcelFile, steps: Steps, place: Place, there: int, *, is_begun: bool) -> None:
    path = place.path(file.name)
    if there == file.size and place.server.digest(path) == file.sha256:
        return
    if is_begun:
        # Whoever clears the folder up may remove the hidden name as well: it has not arrived for all that.
        steps.say(file.name, _NAME_TAKEN)
    raise DeliveryError(
        "there is a file of this name and other content",
        where=place.address(path),
        mend="move it away, then `lettrage deliver`: a file of a receiver is never replaced",
    )


def _upload(file: ParcelFile, hidden: str, begun: int | None, place: Place) -> None:
    """Writes the hidden file, or what is missing of it. Raises: TryAgainError where it is not what was written."""
    server = place.server
    if begun is not None and begun > file.size:
        server.remove(hidden)
        begun = None
    start = None if begun is None else max(0, begun - _SAFETY)
    server.put(file.path, hidden, start)
    if start and not _is_whole(file, hidden, place):
        server.put(file.path, hidden, 0)
    size = server.size(hidden)
    if size == file.size and (place.verify == "size" or server.digest(hidden) == file.sha256):
        return
    with suppress(DeliveryError, FileNotFoundError):
        server.remove(hidden)
    raise TryAgainError(f"what arrived is not what was sent: {size} bytes of {file.size}", where=place.address(hidden))


def _is_whole(file: ParcelFile, hidden: str, place: Place) -> bool:
    """Whether what was gone on with is the file: a server that writes in another order may have left a gap in it."""
    try:
        return place.server.digest(hidden) == file.sha256
    except TryAgainError:
        raise
    except DeliveryError:
        # It may be written and not be read: then it is written whole.
        return False
