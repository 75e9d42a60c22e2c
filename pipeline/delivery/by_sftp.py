"""Delivery to a secure file server (SFTP)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.delivery.carry import ServerChannel
from pipeline.sftp_session import connected

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pipeline.delivery.carry import FileServer
    from pipeline.settings.destinations import SftpDestination
    from pipeline.settings.secrets import Secrets


class SftpChannel(ServerChannel):
    """Carries files by SFTP: see `ServerChannel`."""

    scheme, usual_port = "sftp", 22

    def __init__(self, destination: SftpDestination, secrets: Secrets) -> None:
        super().__init__(destination)
        self._server, self._secrets = destination, secrets

    def connected(self) -> AbstractContextManager[FileServer]:
        """Opens a connection to the server whose key is known."""
        return connected(self._server, self._secrets)
