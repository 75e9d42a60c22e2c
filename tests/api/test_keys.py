from __future__ import annotations

import json
import sqlite3
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from pipeline.api import keys
from pipeline.cli import main
from pipeline.errors import UsageError
from pipeline.state.state import FILE, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

TODAY = date(2026, 3, 1)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with opened(tmp_path) as connection:
        yield connection


def test_a_key_opens_what_it_is_made_for(state: sqlite3.Connection) -> None:
    token = keys.add(state, "erp", rights=["read", "post"], entities=["FR01", "BE01"])
    caller = keys.find(state, token, TODAY)
    assert caller is not None
    assert (caller.name, caller.rights, caller.entities) == ("erp", {"read", "post"}, {"FR01", "BE01"})
    assert caller.may_see("FR01")
    assert not caller.may_see("TN01")
    assert not caller.may_see(None)


def test_a_star_is_every_legal_entity_and_none(state: sqlite3.Connection) -> None:
    caller = keys.find(state, keys.add(state, "boss", rights=["read"], entities=["*"]), TODAY)
    assert caller is not None
    assert caller.may_see("anything")
    assert caller.may_see(None)


def test_the_key_itself_is_nowhere_in_the_state(tmp_path: Path) -> None:
    with opened(tmp_path) as connection:
        token = keys.add(connection, "erp", rights=["read"], entities=["*"])
        connection.execute("pragma wal_checkpoint(truncate)")
    secret = token.rsplit("_", 1)[1] if token.count("_") == 2 else token[21:]
    assert secret.encode() not in (tmp_path / FILE).read_bytes()


def test_a_wrong_key_opens_nothing(state: sqlite3.Connection) -> None:
    token = keys.add(state, "erp", rights=["read"], entities=["*"])
    other = keys.add(state, "other", rights=["read"], entities=["*"])
    for wrong in (
        "",
        "x",
        token[:-1],
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        token[:20] + other[20:],
        token.upper(),
        token + " ",
        "ltr_é",
        "ltr_\ud800",
    ):
        assert keys.find(state, wrong, TODAY) is None, wrong


def test_a_revoked_key_opens_nothing_and_is_revoked_once(state: sqlite3.Connection) -> None:
    token = keys.add(state, "erp", rights=["read"], entities=["*"])
    (known,) = keys.known(state)
    keys.revoke(state, known.key_id)
    assert keys.find(state, token, TODAY) is None
    with pytest.raises(UsageError, match="was revoked"):
        keys.revoke(state, known.key_id)
    with pytest.raises(UsageError, match="there is no key"):
        keys.revoke(state, "nobody")


def test_a_key_opens_on_its_last_day_and_not_after(state: sqlite3.Connection) -> None:
    token = keys.add(state, "erp", rights=["read"], entities=["*"], expires_on=TODAY)
    assert keys.find(state, token, TODAY) is not None
    assert keys.find(state, token, date(2026, 3, 2)) is None


@pytest.mark.parametrize(("rights", "entities"), [([], ["*"]), (["fly"], ["*"]), (["read"], [])])
def test_a_key_that_would_open_nothing_is_not_made(
    state: sqlite3.Connection, rights: list[str], entities: list[str]
) -> None:
    with pytest.raises(UsageError):
        keys.add(state, "erp", rights=rights, entities=entities)


def test_the_commands_make_list_and_revoke_keys(tmp_path: Path) -> None:
    (tmp_path / "lettrage.toml").write_text('store = "store"\n', encoding="utf-8")

    def given(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["keys", *arguments, "--config", str(tmp_path / "lettrage.toml")])
        assert result.exit_code == 0, result.output
        return result.stdout

    token = given("add", "erp", "--right", "read", "--right", "export", "--entity", "FR01", "--expires", "2030-01-01")
    (key,) = json.loads(given("list", "--json"))
    assert key["rights"] == ["read", "export"]
    assert key["entities"] == ["FR01"]
    with opened(tmp_path / "state") as state:
        assert keys.find(state, token.strip(), TODAY) is not None
        given("revoke", key["key_id"])
        assert keys.find(state, token.strip(), TODAY) is None
    assert "revoked" in given("list")
    assert token.strip() not in given("list")
