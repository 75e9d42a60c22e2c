"""The settings: what is wrong is named, key by key, and no secret is ever repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.settings.settings import load_settings

WHOLE = """
store = "books"
timezone = "Europe/Brussels"
secrets = "secrets"

[mail]
host = "smtp.example.com"
user = "lettrage"
password_secret = "smtp"
sender = "Lettrage <lettrage@example.com>"

[notify]
to = ["accounting@example.com"]

[destinations.accounting]
by = "folder"
path = "in"

[destinations.bank]
by = "sftp"
host = "sftp.example.com"
user = "acme"
key_secret = "bank_key"
known_hosts = "known_hosts"

[destinations.adviser]
by = "email"
to = ["adviser@example.com"]
link_by = "accounting"
link_base = "https://files.example.com/"

[sources.erp]
by = "folder"
path = "drops"

[schedules.nightly]
does = "sync"
source = "erp"
on = "day"
"""


def read(directory: Path, said: str) -> str:
    """What is said of settings that are wrong."""
    path = directory / "lettrage.toml"
    path.write_text(said)
    with pytest.raises(SettingsError) as error:
        load_settings(path)
    return str(error.value)


def test_paths_are_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "lettrage.toml").write_text(WHOLE)
    settings = load_settings(tmp_path / "lettrage.toml")
    assert settings.store == str(tmp_path / "books")
    assert settings.reference == tmp_path / "reference"
    assert settings.state == tmp_path / "state"
    assert settings.destinations["accounting"].path == tmp_path / "in"
    assert settings.destinations["bank"].known_hosts == tmp_path / "known_hosts"
    assert settings.zone.key == "Europe/Brussels"


def test_a_bucket_stays_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "lettrage.toml").write_text('store = "s3://bucket/ledger"\n')
    assert load_settings(tmp_path / "lettrage.toml").store == "s3://bucket/ledger"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('store = "books"', "", "store: Field required"),
        ("Europe/Brussels", "Europe/Nowhere", "timezone: 'Europe/Nowhere' is no time zone"),
        ('by = "folder"\npath = "in"', 'by = "carrier-pigeon"', "destinations.accounting"),
        ('path = "in"', 'path = "in"\npaths = 1', "destinations.accounting.paths: there is no such key"),
        ("bank_key", "-----BEGIN OPENSSH PRIVATE KEY-----s3cret", "destinations.bank.key_secret"),
        ('key_secret = "bank_key"\n', "", "give one of password_secret, key_secret and key_file"),
        ('link_by = "accounting"', 'link_by = "nowhere"', "there is no destination nowhere"),
        ('link_by = "accounting"', 'link_by = "adviser"', "a link leads to no mail"),
        ('link_base = "https://files.example.com/"\n', "", "link_by and link_base go together"),
        ('source = "erp"', 'source = "sap"', "there is no source sap (erp)"),
        ('user = "lettrage"', 'user = "lettrage"\nsecurity = "none"', "a password is not sent in the clear"),
        ("[mail]", "[mail]\nport = 70000", "a port is a number from 1 to 65535"),
        ("[destinations.bank]", "[destinations.'../bank']", "destinations.../bank"),
        ('store = "books"', "store = ", "this is no TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, before: str, after: str, said: str) -> None:
    assert before in WHOLE
    told = read(tmp_path, WHOLE.replace(before, after, 1))
    assert said in told
    assert "s3cret" not in told


def test_mail_is_asked_for_where_someone_is_to_be_written_to(tmp_path: Path) -> None:
    assert "needs [mail]" in read(tmp_path, 'store = "s"\n[notify]\nto = ["a@example.com"]\n')
    assert "needs [mail]" in read(tmp_path, 'store = "s"\n[destinations.a]\nby = "email"\nto = ["a@example.com"]\n')
    folder = 'store = "s"\n[destinations.a]\nby = "folder"\npath = "in"\nnotify = ["a@example.com"]\n'
    assert "needs [mail]" in read(tmp_path, folder)


def test_every_wrong_key_is_told_at_once(tmp_path: Path) -> None:
    told = read(tmp_path, WHOLE.replace('path = "in"', "path = 1").replace('on = "day"', 'on = "someday"'))
    assert "2 keys are wrong" in told
    assert "destinations.accounting.path" in told
    assert "schedules.nightly.on" in told


def test_settings_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there are no settings"):
        load_settings(tmp_path / "lettrage.toml")
