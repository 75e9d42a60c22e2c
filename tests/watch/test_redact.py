"""What a log may hold: no secret, whatever it is called, wherever it stands and however it is written."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from pipeline.watch.redact import HIDDEN, Redactor, without_secrets

SECRET = 'hunt&er "2" é'
PEM = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5v\nAAAAtzc2gtZWQyNTUxOQAA\n-----END OPENSSH PRIVATE KEY-----\n"


def plain(secrets: tuple[str, ...] = (), **fields: object) -> dict[str, object]:
    return Redactor(lambda: secrets)(None, "info", fields)


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "smtp_password",
        "Password",
        "passphrase",
        "secret",
        "client-secret",
        "token",
        "accessToken",
        "authorization",
        "Authorization",
        "key",
        "api_key",
        "apiKey",
        "APIKey",
        "x-api-key",
        "private_key",
        "cookie",
        "credentials",
    ],
)
def test_a_field_named_like_a_secret_is_hidden(name: str) -> None:
    assert plain(**{name: "abc"}) == {name: HIDDEN}
    assert plain(headers={name: ["abc"]}) == {"headers": {name: HIDDEN}}


@pytest.mark.parametrize(
    "name",
    ["monkey", "keyboard", "tokenizer", "rows", "store", "legal_entity", "passed", "author", "key_id", "token_count"],
)
def test_a_field_that_only_sounds_like_one_is_kept(name: str) -> None:
    assert plain(**{name: "abc"}) == {name: "abc"}


def test_a_secret_that_knows_it_is_one_is_hidden_wherever_it_stands() -> None:
    assert plain(x=SecretStr("abc"), y=[{"z": SecretStr("abc")}]) == {"x": HIDDEN, "y": [{"z": HIDDEN}]}


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"login as me:{SECRET}@host",
        f"https://host/?q={quote(SECRET, safe='')}",
        f"ValueError({SECRET!r})",
        b64encode(SECRET.encode()).decode(),
        json.dumps({"a": SECRET}, ensure_ascii=False).replace("\\", ""),
    ],
)
def test_the_value_of_a_secret_that_was_looked_up_is_never_written(text: str) -> None:
    written = json.dumps(plain((SECRET,), event=text, at=[{text: text}], error=ValueError(text)), ensure_ascii=False)
    assert "hunt" not in written
    assert b64encode(SECRET.encode()).decode() not in written


def test_a_key_file_is_hidden_whole_and_line_by_line() -> None:
    written = json.dumps(plain((PEM,), a=PEM, b=PEM.splitlines()[1], c=f"x {PEM.splitlines()[2]} y", d=repr(PEM)))
    assert "b3Blb" not in written
    assert "AAAAt" not in written
    assert "b3Blb" not in json.dumps(plain(a=f"read {PEM}"))  # nor where nobody looked it up


def test_a_number_that_is_a_secret_is_hidden_and_a_short_one_leaves_texts_alone() -> None:
    assert plain(("123456", "7"), a=123456, b="7", c="a batch of 7 rows") == {
        "a": HIDDEN,
        "b": HIDDEN,
        "c": "a batch of 7 rows",
    }


def test_the_longer_of_two_secrets_is_hidden_whole() -> None:
    assert plain(("abcd", "abcdefgh"), a="abcdefgh", b="x abcdefgh y") == {"a": HIDDEN, "b": f"x {HIDDEN} y"}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("sftp://me:abc@host/x", f"sftp://me:{HIDDEN}@host/x"),
        ("Authorization: Bearer abc.def-123", f"Authorization: Bearer {HIDDEN}"),
        ("GET /x?token=abc&page=2", f"GET /x?token={HIDDEN}&page=2"),
        ('{"password": "abc"}', f'{{"password": "{HIDDEN}"}}'),
        ("api_key='abc'", f"api_key='{HIDDEN}'"),
        ("https://host/a:b", "https://host/a:b"),
        ("3 tokens were read", "3 tokens were read"),
    ],
)
def test_what_a_text_shows_of_a_secret_is_hidden(text: str, written: str) -> None:
    assert without_secrets(text) == written


def test_values_become_plain_json_and_amounts_stay_exact() -> None:
    assert plain(
        amount=Decimal("0.10"),
        on=date(2026, 1, 31),
        at=datetime(2026, 1, 31, tzinfo=UTC),
        path=Path("a/b"),
        content=b"abc",
        rows=3,
        none=None,
        yes=True,
        names=("a", "b"),
    ) == {
        "amount": "0.10",
        "on": "2026-01-31",
        "at": "2026-01-31T00:00:00+00:00",
        "path": "a/b",
        "content": "3 bytes",
        "rows": 3,
        "none": None,
        "yes": True,
        "names": ["a", "b"],
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(
    event=st.dictionaries(st.sampled_from(["a", "b", "event"]), JSON),
    secret=st.text("abcxyz19", min_size=4, max_size=9),
)
def test_no_value_anywhere_shows_a_secret(event: dict[str, object], secret: str) -> None:
    hidden = plain((secret,), **event, said=f"<{secret}>", more=[{"x": [f"{secret}{secret}"]}])
    assert secret not in json.dumps(hidden)


def test_what_json_cannot_say_is_text_and_what_cannot_speak_has_a_name() -> None:
    class Mute:
        def __str__(self) -> str:
            raise ValueError("no")

    written = plain(nan=float("nan"), mute=Mute(), rows=iter([SECRET]), model=Account(password=SECRET))
    assert written["nan"] == "nan"
    assert written["mute"] == "<Mute>"
    assert SECRET not in json.dumps(written)


class Account(BaseModel):
    password: str
