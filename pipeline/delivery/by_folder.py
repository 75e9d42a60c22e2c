"""Delivery into a directory: on this machine, or a share that it has mounted."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.delivery.parcel import UPLOADED, Receipt, folder_for
from pipeline.errors import DeliveryError, TryAgainError, UnclearError
from pipeline.ledger.disk import make_durable

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.delivery.parcel import Parcel, ParcelFile, Steps
    from pipeline.settings.destinations import FolderDestination

#: errors of a disk or share that may pass: full, gone for a moment, busy
_MAY_PASS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY, errno.EHOSTDOWN}
)


class FolderChannel:
    """Copies under a hidden name, makes the bytes durable, then gives the name; never that of another file."""

    def __init__(self, destination: FolderDestination) -> None:
        self._destination = destination
        self.folder = destination.folder

    def deliver(self, parcel: Parcel, steps: Steps) -> None:
        """Copies what has no receipt yet: see `Channel.deliver`."""
        root = self._destination.path
        if self._destination.existing and not root.is_dir():
            raise TryAgainError("the directory is not there", where=str(root), mend="make it, or mount the share")
        folder = root / folder_for(parcel, self.folder)
        files = [file for file in parcel.files if steps.receipt(file.name) is None]
        try:
            lay_there = [file.name for file in files if steps.get(file.name) == UPLOADED]
            if lay_there and not folder.is_dir():
                raise UnclearError(
                    f"the folder is gone in which {', '.join(lay_there)} lay: "
                    "nobody can tell whether it was taken before",
                    where=str(folder),
                    mend="ask the receiver",
                )
            folder.mkdir(parents=True, exist_ok=True)
            for file in files:
                self._carry(parcel, file, folder, steps)
        except OSError as error:
            kind = TryAgainError if error.errno in _MAY_PASS else DeliveryError
            raise kind(
                f"a file cannot be put there ({error.strerror or error})",
                where=str(folder),
                mend="mend the directory, then `lettrage deliver`",
            ) from None

    def _carry(self, parcel: Parcel, file: ParcelFile, folder: Path, steps: Steps) -> None:
        path, hidden = folder / file.name, folder / parcel.hidden_name(file)
        said = "copied"
        if path.exists():
            _demand_same(path, file)
            hidden.unlink(missing_ok=True)
            said = "it was there already"
        elif steps.get(file.name) == UPLOADED and not hidden.exists():
            said = "the receiver has taken it"
        else:
            _copy(file, hidden)
            # Its name, too, is on disk before that is written down: a name that is gone says that it was taken.
            make_durable(folder)
            steps.say(file.name, UPLOADED)
            # A rename, not a link: that the hidden name is gone then says that the file was there.
            hidden.rename(path)
            make_durable(folder)
        steps.arrived(Receipt(file.name, str(path), file.size, file.sha256, datetime.now(UTC), said))


def _copy(file: ParcelFile, hidden: Path) -> None:
    with file.path.open("rb") as source, hidden.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
        target.flush()
        os.fsync(target.fileno())
        if target.tell() != file.size:
            raise DeliveryError("the file has changed while it was copied", where=str(file.path))


def _demand_same(path: Path, file: ParcelFile) -> None:
    with path.open("rb") as there:
        digest = hashlib.file_digest(there, "sha256").hexdigest()
    if digest != file.sha256:
        raise DeliveryError(
            "there is a file of this name and other content",
            where=str(path),
            mend="move it away, then `lettrage deliver`: a file of a receiver is never replaced",
        )
