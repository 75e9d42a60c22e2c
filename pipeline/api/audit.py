"""The audit log: a row a request that changed something or was refused. It says who, what and when, never with what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipeline.watch import logs

if TYPE_CHECKING:
    from pipeline.api.desk import Desk
    from pipeline.api.keys import Caller


#: letters of a path that are kept: anybody may send one
_LONGEST = 500


@dataclass
class Seen:
    """A request while it is answered. digest: SHA-256 of its body. refused: what the caller may not see was asked for.

    legal_entity, job: which it was about, as far as an endpoint knows.
    """

    request_id: str
    address: str
    method: str
    path: str
    caller: Caller | None = None
    legal_entity: str | None = None
    job: str | None = None
    digest: str | None = None
    refused: bool = False
    #: how its body ends
    tail: bytes = b""


def write(desk: Desk, seen: Seen, status: int) -> None:
    """Adds a row, and tells the log the same. Raises: StateError where it cannot be kept."""
    row = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "request_id": seen.request_id,
        "key_id": None if seen.caller is None else seen.caller.key_id,
        "address": seen.address,
        "method": seen.method,
        "path": seen.path[:_LONGEST],
        "status": status,
        "legal_entity": seen.legal_entity,
        "digest": seen.digest,
        "job": seen.job,
    }
    logs.log().info("audited", **row)
    with desk.writing() as state:
        state.execute(
            f"insert into api_audit ({', '.join(row)}) values ({', '.join('?' * len(row))})", tuple(row.values())
        )


def rows(desk: Desk, caller: Caller, *, before: int | None, limit: int) -> list[dict[str, Any]]:
    """The rows that a caller may see, the newest first: those of its legal entities, and its own."""
    entities = sorted(caller.entities or ())
    scope = "1" if caller.entities is None else f"(legal_entity in ({', '.join('?' * len(entities))}) or key_id = ?)"
    values: list[Any] = [] if caller.entities is None else [*entities, caller.key_id]
    with desk.reading() as state:
        found = state.execute(
            f"select * from api_audit where {scope} and number < ? order by number desc limit ?",
            (*values, (1 << 62) if before is None else before, limit),
        ).fetchall()
    return [dict(row) for row in found]
