"""A server's name that cannot be resolved: whether that may pass is the resolver's word."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from pipeline.delivery.by_email import EmailChannel
from pipeline.delivery.by_ftps import FtpsChannel
from pipeline.delivery.by_sftp import SftpChannel
from pipeline.errors import DeliveryError, TryAgainError
from pipeline.settings.destinations import EmailDestination, FtpsDestination, Mail, SftpDestination
from pipeline.settings.secrets import Secrets
from tests.servers.parcels import Steps, parcel

SECRETS = Secrets(None, {"LETTRAGE_SECRET_X": "x"})


def channels(folder: Path) -> list[Any]:
    known = folder / "known_hosts"
    known.write_text("")
    server = {"host": "files.example", "user": "u", "password_secret": "x"}
    sftp = SftpDestination.model_validate({"by": "sftp", **server, "known_hosts": known})
    ftps = FtpsDestination.model_validate({"by": "ftps", **server})
    email = EmailDestination.model_validate({"by": "email", "to": ["a@b.example"]})
    mail = Mail.model_validate({"host": "files.example", "sender": "c@d.example"})
    return [SftpChannel(sftp, SECRETS), FtpsChannel(ftps, SECRETS), EmailChannel(email, SECRETS, mail)]


@pytest.mark.parametrize(
    ("number", "kind"), [(socket.EAI_NONAME, DeliveryError), (socket.EAI_AGAIN, TryAgainError)], ids=["none", "again"]
)
def test_a_name_that_is_not_there_is_for_a_person_and_a_resolver_that_is_down_may_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[DeliveryError]
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(number, "no")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for channel in channels(tmp_path):
        with pytest.raises(DeliveryError, match="its name is not known") as raised:
            channel.deliver(parcel(tmp_path, {"a": b"1"}), Steps())
        assert type(raised.value) is kind
