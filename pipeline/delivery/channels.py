"""The channel of each kind of destination; its libraries are imported where one is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import SettingsError
from pipeline.settings.destinations import (
    BucketDestination,
    EmailDestination,
    FolderDestination,
    FtpsDestination,
    SftpDestination,
)

if TYPE_CHECKING:
    from pipeline.delivery.parcel import Channel
    from pipeline.settings.settings import Settings


def channel_of(name: str, settings: Settings) -> Channel:
    """The channel of a destination. Raises: SettingsError for a secret, an extra or a server that is not there."""
    destination, secrets = settings.destinations[name], settings.known_secrets()
    match destination:
        case FolderDestination():
            from pipeline.delivery.by_folder import FolderChannel  # noqa: PLC0415 - see above

            return FolderChannel(destination)
        case SftpDestination():
            from pipeline.delivery.by_sftp import SftpChannel  # noqa: PLC0415 - see above

            return SftpChannel(destination, secrets)
        case FtpsDestination():
            from pipeline.delivery.by_ftps import FtpsChannel  # noqa: PLC0415 - see above

            return FtpsChannel(destination, secrets)
        case BucketDestination():
            from pipeline.delivery.by_bucket import BucketChannel  # noqa: PLC0415 - see above

            return BucketChannel(destination, secrets)
        case EmailDestination():
            from pipeline.delivery.by_email import EmailChannel  # noqa: PLC0415 - see above

            if settings.mail is None:
                raise SettingsError("[mail] is missing", where=f"destination {name}")
            linked = None if destination.link_by is None else channel_of(destination.link_by, settings)
            return EmailChannel(destination, secrets, settings.mail, linked=linked)
