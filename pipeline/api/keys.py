"""API keys: who may ask for what. The state keeps a digest of each; the key itself is told once (docs/api.md)."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

#: what a key may do: each right is given by itself
RIGHTS = ("read", "export", "post", "admin")
ALL = "*"
_TOKEN = re.compile(r"ltr_([0-9a-f]{16})_[A-Za-z0-9_-]{43}\Z")
#: what an unknown key is compared with, so that it takes as long as a known one
_NOBODY = hashlib.sha256(b"nobody").hexdigest()


@dataclass(frozen=True)
class Caller:
    """Whose key a request bears. entities: the legal entities that it may see and touch, None for all."""

    key_id: str
    name: str
    rights: frozenset[str]
    entities: frozenset[str] | None

    def may_see(self, entity: str | None) -> bool:
        """Whether something of a legal entity, or of none, is the key's to see."""
        return self.entities is None or entity in self.entities


@dataclass(frozen=True)
class Key:
    """A key as it is listed."""

    key_id: str
    name: str
    rights: list[str]
    entities: list[str] | None
    created_at: str
    expires_on: str | None
    revoked_at: str | None

    def as_dict(self) -> dict[str, Any]:
        """The same for machines."""
        return dict(self.__dict__)


def add(
    state: sqlite3.Connection,
    name: str,
    *,
    rights: Collection[str],
    entities: Collection[str],
    expires_on: date | None = None,
) -> str:
    """Makes a key and returns it, this once. entities: codes of legal entities, or `*` for all, now and later.

    Raises: UsageError where it would have no right or no legal entity.
    """
    unknown = sorted(set(rights) - set(RIGHTS))
    if unknown or not rights:
        raise UsageError(
            f"there is no right {unknown[0]}" if unknown else "a key without a right opens nothing",
            mend=f"the rights are {', '.join(RIGHTS)}",
        )
    if not entities:
        raise UsageError("a key of no legal entity opens nothing", mend="name them, or * for all")
    key_id = secrets.token_hex(8)
    token = f"ltr_{key_id}_{secrets.token_urlsafe(32)}"
    state.execute(
        """
        insert into api_keys (key_id, name, digest, rights, entities, created_at, expires_on)
        values (?, ?, ?, ?, ?, ?, ?)
        """,
        (
            key_id,
            name,
            _digest(token),
            json.dumps([right for right in RIGHTS if right in rights]),
            None if ALL in entities else json.dumps(sorted(set(entities))),
            datetime.now(UTC).isoformat(timespec="seconds"),
            None if expires_on is None else expires_on.isoformat(),
        ),
    )
    return token


def known(state: sqlite3.Connection) -> list[Key]:
    """The keys, revoked ones too, by the day on which they were made."""
    rows = state.execute("select * from api_keys order by created_at, key_id").fetchall()
    return [
        Key(
            row["key_id"],
            row["name"],
            json.loads(row["rights"]),
            None if row["entities"] is None else json.loads(row["entities"]),
            row["created_at"],
            row["expires_on"],
            row["revoked_at"],
        )
        for row in rows
    ]


def revoke(state: sqlite3.Connection, key_id: str) -> None:
    """Ends a key at once. Raises: UsageError where there is none, or it is revoked already."""
    row = state.execute("select revoked_at from api_keys where key_id = ?", (key_id,)).fetchone()
    if row is None:
        raise UsageError(f"there is no key {key_id}", mend="see `lettrage keys list`")
    if row["revoked_at"] is not None:
        raise UsageError(f"key {key_id} was revoked on {row['revoked_at']}")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    state.execute("update api_keys set revoked_at = ? where key_id = ?", (now, key_id))


def find(state: sqlite3.Connection, token: str, today: date) -> Caller | None:
    """Whose key it is; None for one that is unknown, wrong, revoked, or whose last day is over."""
    named = _TOKEN.match(token)
    row = None
    if named is not None:
        row = state.execute("select * from api_keys where key_id = ?", (named[1],)).fetchone()
    if not hmac.compare_digest(_digest(token), _NOBODY if row is None else row["digest"]) or row is None:
        return None
    if row["revoked_at"] is not None or (row["expires_on"] is not None and today.isoformat() > row["expires_on"]):
        return None
    entities = None if row["entities"] is None else frozenset(json.loads(row["entities"]))
    return Caller(row["key_id"], row["name"], frozenset(json.loads(row["rights"])), entities)


def _digest(token: str) -> str:
    """What is kept of a key.

    A key has 256 random bits: nobody finds it by trying, however fast the digest. A slow one, as for passwords, would
    only make every request slow.
    """
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
