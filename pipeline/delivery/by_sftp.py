"""Delivery to a secure file server (SFTP)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.delivery.carry import Place, carry, waiting
from pipeline.delivery.parcel import folder_for
from pipeline.sftp_session import connected

if TYPE_CHECKING:
    from pipeline.delivery.parcel import Parcel, Steps
    from pipeline.settings.destinations import SftpDestination
    from pipeline.settings.secrets import Secrets

_PORT = 22


class SftpChannel:
    """Writes under a hidden name, compares size or digest, then renames; never onto another file."""

    def __init__(self, destination: SftpDestination, secrets: Secrets) -> None:
        self._destination, self._secrets = destination, secrets
        self.folder = destination.folder

    def deliver(self, parcel: Parcel, steps: Steps) -> None:
        """Carries what has no receipt yet: see `Channel.deliver`."""
        if not waiting(parcel, steps):
            return
        folder = folder_for(parcel, self.folder)
        with connected(self._destination, self._secrets) as session:
            carry(parcel, steps, Place(session, folder, self._address, self._destination.verify))

    def _address(self, path: str) -> str:
        port = "" if self._destination.port == _PORT else f":{self._destination.port}"
        return f"sftp://{self._destination.host}{port}/{path}"
