"""What a name names in the ledger: entries, documents, accounts. It is held against the ledger, never taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.sql import Session

HERE = Path(__file__).parent

Kind = Literal["entry", "document", "employee"]
#: what a name is tried as, in this order
KINDS: tuple[Kind, ...] = ("entry", "document", "employee")

#: the end of an entry's name; the codes before it may hold anything, slashes too
_ENTRY = re.compile(r"(?P<series>.+)/(?P<fiscal_year>\d{1,9})/(?P<entry_number>\d{1,18})\Z", re.DOTALL)


@dataclass(frozen=True)
class Subject:
    """What one story is of. key: the columns that name it in the ledger."""

    kind: Kind
    key: dict[str, Any]


def subjects(
    session: Session, what: str, *, kind: Kind | None = None, legal_entity: str | None = None
) -> list[Subject]:
    """Everything that `what` names, as entry, then as document of each kind, then as account in each legal entity.

    session: with the tables of the ledger. kind, legal_entity: nothing else is meant.
    Raises: UsageError where it names nothing, with the names that are nearly it.
    """
    asked = {"what": what, "legal_entity": legal_entity}
    session.run(HERE / "document_findings.sql", **asked)
    session.run(HERE / "employee_findings.sql", **asked)
    found = [
        subject
        for one, find in (("entry", _entries), ("document", _documents), ("employee", _accounts))
        if kind in (None, one)
        for subject in find(session, asked)
    ]
    if not found:
        kinds = KINDS if kind is None else (kind,)
        raise UsageError(
            f"{what} is no {' or '.join((', '.join(kinds[:-1]), kinds[-1]) if kind is None else kinds)} of this ledger"
            + (f" in legal entity {legal_entity}" if legal_entity is not None else ""),
            mend=_advice(session, what),
        )
    return found


def _entries(session: Session, asked: dict[str, Any]) -> list[Subject]:
    named = _ENTRY.match(asked["what"])
    if named is None:
        return []
    numbers = {name: int(named[name]) for name in ("fiscal_year", "entry_number")}
    rows = _rows(session, "named_entries", **asked, series=named["series"], **numbers)
    return [Subject("entry", row) for row in rows]


def _documents(session: Session, asked: dict[str, Any]) -> list[Subject]:
    return [Subject("document", row) for row in _rows(session, "named_documents", **asked)]


def _accounts(session: Session, asked: dict[str, Any]) -> list[Subject]:
    return [Subject("employee", row) for row in _rows(session, "named_employees", **asked)]


def _advice(session: Session, what: str) -> str:
    """What may have been meant, and how things are named."""
    near = [f"{row['id']} ({row['kind'].replace('_', ' ')})" for row in _rows(session, "close_names", what=what)]
    named = _ENTRY.match(what)
    if named is not None:
        series = _rows(session, "close_series", name=f"{named['series']}/{named['fiscal_year']}")
        near += [f"{row['name']}/1 to {row['last_number']} (entries)" for row in series]
    how = "give an entry as LEGAL_ENTITY/JOURNAL_CODE/FISCAL_YEAR/NUMBER, the id of a document, or an employee's code"
    return f"near to it: {', '.join(near)}; {how}" if near else how


def _rows(session: Session, query: str, **values: Any) -> list[dict[str, Any]]:
    return session.query((HERE / f"{query}.sql").read_text(encoding="utf-8"), values).to_dicts()
