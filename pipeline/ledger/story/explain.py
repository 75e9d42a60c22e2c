"""The audit trail: the story of an entry, of a document, or of an employee's account, in the order of events.

Nothing of it is stored as a story: it is gathered from what the runs wrote, by SQL that reads the rows of the subject
alone; what a delettering was for is the contra-entry that its run posted. What comes out is made of texts, whole
numbers, lists and dicts only, and is both what `--json` prints and all that the text is made from.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.ledger.as_of import NOW
from pipeline.ledger.reading import demand_entity, ledger_session
from pipeline.ledger.story.naming import HERE, Kind, Subject, subjects
from schemas.currencies import MINOR_UNITS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.ledger.as_of import AsOf
    from pipeline.ledger.store import Store
    from pipeline.sql import Session

Row = dict[str, Any]

_ENTRY_KEY = ("legal_entity", "journal_code", "fiscal_year", "entry_number")
_LETTERING_KEY = ("legal_entity", "employee", "lettering")
_LINE = ("account", "auxiliary", "debit", "credit")
_FINDING = ("table_name", "document", "version", "row_key", "rule", "column_name", "value", "message")
_FINDING_RUNS = ("first_run", "last_run", "resolved_run")
_CAUSE = ("document_kind", "document", "version", "cause", "returned_on", "reason")
#: what contra-entries of a cause belong to within a run: that of the letterings they dissolve (see story_entries.sql)
_STAGES = {"document_changed": 2, "document_cancelled": 2, "order_cancelled": 4, "payment_returned": 5}
#: stages within a run besides those of entries; the fifth is told by day
_FIRST, _ORDERS_CANCELLED, _BY_DAY, _LAST = 0, 4, 5, 6


@dataclass(frozen=True)
class RunTold:
    """What one run did to the subject. made: when and where, which alone differs between two machines."""

    run: int
    run_on: str | None
    batch_digest: str | None
    made: dict[str, str | None]
    events: list[Row]


@dataclass(frozen=True)
class Story:
    """The story of one subject. key: what names it; standing: a row a legal entity; open_items: lines not lettered."""

    subject: Kind
    key: Row
    standing: list[Row]
    runs: list[RunTold]
    open_items: list[Row]


@dataclass(frozen=True)
class Explanation:
    """Everything that a name means, told. run: the ledger is told as of it."""

    what: str
    run: int
    stories: list[Story]

    def as_dict(self) -> Row:
        """The same for machines: amounts are texts of their currency's decimals, days and times ISO 8601."""
        return asdict(self)


def explain(
    store: Store,
    what: str,
    *,
    kind: Kind | None = None,
    legal_entity: str | None = None,
    as_of: AsOf = NOW,
) -> Explanation:
    """Tells the story of whatever `what` names: LEGAL_ENTITY/JOURNAL_CODE/FISCAL_YEAR/NUMBER, a document, an employee.

    kind: it is meant as that alone. legal_entity: nothing of another one is told. as_of: what was known after that run.
    Raises: UsageError where it names nothing, or the ledger has no such run or legal entity.
    """
    run = as_of.run_of(store)
    with ledger_session(store, as_of=as_of) as session:
        demand_entity(session, legal_entity)
        found = subjects(session, what, kind=kind, legal_entity=legal_entity)
        stories = [_story(session, subject, legal_entity, run) for subject in found]
    return Explanation(what, run, stories)


# ------------------------------------------------------------------------------------------------------- gathering


def _story(session: Session, subject: Subject, legal_entity: str | None, run: int) -> Story:
    """Gathers what is known of a subject and puts it in order."""
    key = {"legal_entity": legal_entity, **subject.key}
    _run(session, f"lines_of_{subject.kind}", "story_lines", **key)
    for table in ("story_entries", "story_letterings", "story_lettering_lines", "contra_entries", "delettering_causes"):
        _run(session, table, **key)
    told = _Told(session)
    events = [*told.entries(subject.kind), *told.letterings(), *told.payments(), *told.exports(run)]
    if subject.kind == "entry":
        (entry,) = _rows(session, "select * from story_entries")
        made_by = {name: entry[name] for name in ("document_kind", "document", "legal_entity", "run")}
        events += told.versions(**made_by)
        # What takes an entry back is another entry: it is told as an event of the run that posted it.
        events += [event for event in told.contra_entries() if event["entry"] != _name(entry)]
        named: Row = {"entry": _name(entry), **subject.key, **_picked(entry, "document_kind", "document", "employee")}
        standing: list[Row] = []
    elif subject.kind == "document":
        events += told.versions(**key, run=None)
        events += told.findings("document_findings", document_kind=subject.key["document_kind"])
        named = {**subject.key, "employee": told.employee(), "employee_name": None}
        if named["employee"] is not None:
            named["employee_name"] = _employee_name(session, named["employee"])
        standing = told.plain(_query(session, "document_standing", **key))
    else:
        events += told.findings("employee_findings", legal_entity=key["legal_entity"])
        named = _picked(subject.key, "employee", "name", "legal_entity")
        standing = told.plain(_rows(session, _ACCOUNT, **key))
    open_items = [told.line(row, "entry_date", "last_lettering") for row in _query(session, "open_items")]
    return Story(subject.kind, named, standing, _by_run(session, events), open_items)


_ACCOUNT = """
    select legal_entity, third_party, advance_one_time, advance_regular
    from employee_accounts where employee = $employee and legal_entity = $legal_entity
"""


class _Told:
    """The events of a story, each a dict of plain values with its run and its place in it, from gathered tables."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.digits: dict[str | None, tuple[str | None, int]] = {
            row["legal_entity"]: (row["currency"], MINOR_UNITS.get(row["currency"], 2))
            for row in _rows(session, "select distinct legal_entity, currency from story_lines")
        }
        self.contras = {_key(row): row for row in _rows(session, "select * from contra_entries")}
        self.taken_back = {
            (row["legal_entity"], row["journal_code"], row["reverses_fiscal_year"], row["reverses"]): row
            for row in self.contras.values()
        }

    def plain(self, rows: Iterable[Row]) -> list[Row]:
        """Rows of plain values: amounts as texts of their legal entity's currency, days and times as ISO 8601."""
        return [{name: self._plain(value, row) for name, value in row.items()} for row in rows]

    def _plain(self, value: Any, row: Row) -> Any:
        if isinstance(value, Decimal):
            _, digits = self.digits.get(row.get("legal_entity"), (None, 2))
            return f"{value:.{digits}f}"
        return value.isoformat() if isinstance(value, date | datetime) else value

    def line(self, row: Row, *more: str) -> Row:
        """A line of an entry of anyone's, as letterings and open items name it."""
        (plain,) = self.plain([row])
        return {
            "entry": _name(row),
            **_picked(plain, "line_number", "document_kind", "document", *_LINE, *more),
            "currency": self._currency(row),
        }

    def employee(self) -> str | None:
        """Whose the document is, where it is of one employee: an order is of all whom it pays."""
        found = _rows(
            self.session,
            "select distinct employee from story_lines where document_kind <> 'payment_order' order by employee",
        )
        return str(found[0]["employee"]) if found else None

    def entries(self, kind: Kind) -> list[Row]:
        """The entries, each with its lines; those of an account with its balance after each line."""
        _run(self.session, "story_movements")
        lines: dict[tuple[Any, ...], list[Row]] = {}
        for row in _rows(self.session, "select * from story_movements"):
            lines.setdefault(_key(row), []).append(row)
        for rows in lines.values():
            rows.sort(key=lambda row: row["line_number"])
        return [
            self._entry(row, lines[_key(row)], with_balance=kind == "employee")
            for row in _rows(self.session, "select * from story_entries")
        ]

    def _entry(self, row: Row, lines: list[Row], *, with_balance: bool) -> Row:
        (plain,) = self.plain([row])
        contra, back = self.contras.get(_key(row)), self.taken_back.get(_key(row))
        shown = ("line_number", "role", *_LINE, "expense", "expense_type", "vat_code")
        foreign = ("foreign_currency", "foreign_amount")
        # As the balances are added up: see story_movements.sql.
        place = (row["document_kind"], row["document"], row["journal"] == "advance_imputation", *_key(row))
        return _at(row["run"], row["stage"], 3 if row["reversal"] else 0, row["document_date"], place) | {
            "event": "entry",
            "entry": _name(row),
            **_picked(plain, *_ENTRY_KEY, "journal", "entry_date", "document_kind", "document", "version"),
            **_picked(plain, "document_date", "employee", "currency", "reversal"),
            "reverses": None if contra is None else _reversed_name(contra),
            "because": None if contra is None else self._because(contra),
            "reversed_by": None if back is None else {"entry": _name(back), "run": back["run"], **self._because(back)},
            "lines": [
                {
                    **_picked(told, *shown),
                    # Its own currency's decimals, which the books' currency need not have.
                    "foreign_currency": line[foreign[0]],
                    "foreign_amount": _foreign(line[foreign[0]], line[foreign[1]]),
                    "label": line["label"],
                    "sections": _sections(line),
                    **({"balance": told["balance"]} if with_balance else {}),
                }
                for line, told in zip(lines, self.plain(lines), strict=True)
            ],
        }

    def contra_entries(self) -> list[Row]:
        """The contra-entries of the story's own entries, by name."""
        own = {_key(row) for row in _rows(self.session, f"select {', '.join(_ENTRY_KEY)} from story_entries")}
        return [
            _at(
                row["run"], *self._stage(row), row["document_date"], (row["document_kind"], row["document"], *_key(row))
            )
            | {
                "event": "contra_entry",
                "entry": _name(row),
                "legal_entity": row["legal_entity"],
                "reverses": _reversed_name(row),
                "because": self._because(row),
            }
            for back, row in self.taken_back.items()
            if back in own
        ]

    @staticmethod
    def _stage(contra: Row) -> tuple[int, int]:
        stage = _STAGES[contra["cause"]]
        return (1 if stage == 2 else stage), 3  # noqa: PLR2004 - the letterings' stage follows the entries'

    def _because(self, contra: Row) -> Row:
        (plain,) = self.plain([contra])
        return _picked(plain, *_CAUSE)

    def letterings(self) -> list[Row]:
        """The letterings that were made, each with its lines, and those dissolved, each with what it was for."""
        lines: dict[tuple[Any, ...], list[Row]] = {}
        for row in _rows(self.session, "select * from story_lettering_lines"):
            lines.setdefault(_lettering(row), []).append(row)
        causes: dict[tuple[Any, ...], list[Row]] = {}
        for row in _rows(self.session, "select * from delettering_causes order by all"):
            causes.setdefault((row["legal_entity"], row["lettered_employee"], row["lettering"]), []).append(row)
        events = []
        for row in _rows(self.session, "select * from story_letterings"):
            (plain,) = self.plain([row])
            held = sorted(lines[_lettering(row)], key=lambda line: (line["entry_date"], *_key(line)))
            events.append(
                _at(row["lettered_run"], _BY_DAY, 2, row["lettered_on"], _lettering(row))
                | {
                    "event": "lettering",
                    **_picked(plain, *_LETTERING_KEY, "lettered_on", "payment_order", "delettered_on"),
                    "delettered_run": row["delettered_run"],
                    "lines": [self.line(line, "entry_date") for line in held],
                }
            )
            if row["delettered_run"] is not None:
                events.append(self._delettering(row, causes.get(_lettering(row), [])))
        return events

    def _delettering(self, row: Row, causes: list[Row]) -> Row:
        (plain,) = self.plain([row])
        stage = min((_STAGES[cause["cause"]] for cause in causes), default=_STAGES["document_changed"])
        day = min((cause["document_date"] for cause in causes), default=row["delettered_on"])
        return _at(row["delettered_run"], stage, 5, day, _lettering(row)) | {
            "event": "delettering",
            **_picked(plain, *_LETTERING_KEY, "delettered_on", "lettered_run", "payment_order"),
            "because": [
                {"entry": _name(cause), "reverses": _reversed_name(cause), **self._because(cause)} for cause in causes
            ],
        }

    def payments(self) -> list[Row]:
        """The payments that were made, returned or cancelled."""
        _run(self.session, "story_payments")
        events = []
        for row in _rows(self.session, "select * from story_payments"):
            (plain,) = self.plain([row])
            day = row["paid_on"] if row["returned_on"] is None else max(row["returned_on"], row["paid_on"])
            stage = _ORDERS_CANCELLED if row["status"] == "cancelled" else _BY_DAY
            place = (row["payment_order"], row["employee"])
            events.append(
                _at(row["run"], stage, 1 if row["status"] == "paid" else 4, day, place)
                | {
                    "event": "payment",
                    **_picked(plain, "payment_order", "legal_entity", "employee", "amount"),
                    "currency": self._currency(row),
                    "iban": _masked(row["iban"]),
                    "entry": _name(row),
                    **_picked(plain, "status", "returned_on", "reason"),
                }
            )
        return events

    def exports(self, run: int) -> list[Row]:
        """The exports, up to those of `run`, that took entries: as they stand, after the run that they read."""
        events: dict[int, Row] = {}
        for row in _query(self.session, "story_exports", run=run):
            (plain,) = self.plain([row])
            number = row["export_number"]
            event = events.setdefault(
                number,
                _at(row["run"], _LAST, 0, row["exported_on"], (number,))
                | {
                    "event": "export",
                    **_picked(plain, "export_number", "profile", "format", "exported_on", "legal_entity"),
                    "status": row["export_status"],
                    "entries": [],
                },
            )
            event["entries"].append(_name(row))
        return list(events.values())

    def versions(self, **asked: Any) -> list[Row]:
        """The versions of a document as the runs took them: posted, taken over, waiting, cancelled."""
        return [
            _at(row["run"], _FIRST, 1, None, (row["legal_entity"] or "",))
            | {
                "event": "version",
                **_picked(plain, "document_kind", "document", "legal_entity", "version", "status", "state"),
                **_picked(plain, "employee", "event_date"),
                "posts": row["posted_run"] == row["run"],
            }
            for row in _query(self.session, "story_versions", **asked)
            for plain in self.plain([row])
        ]

    def findings(self, table: str, **only: Any) -> list[Row]:
        """What the quarantine found, at the run that found it first, and again at the one that no longer did."""
        wanted = " and ".join(f"({name} is null or ${name}::varchar is null or {name} = ${name})" for name in only)
        events = []
        for row in _rows(self.session, f"select * from {table} where {wanted}", **only):
            said = {
                **_picked(row, *_FINDING, *_FINDING_RUNS),
                "value": _masked(row["value"]) if row["column_name"] == "iban" else row["value"],
            }
            place = tuple(str(row[name]) for name in _FINDING)
            events.append(_at(row["first_run"], _FIRST, 2, None, place) | {"event": "finding", **said})
            if row["resolved_run"] is not None:
                events.append(_at(row["resolved_run"], _FIRST, 0, None, place) | {"event": "resolved", **said})
        return events

    def _currency(self, row: Row) -> str | None:
        return self.digits.get(row["legal_entity"], (None, 2))[0]


def _by_run(session: Session, events: list[Row]) -> list[RunTold]:
    """The events under their runs, in the order in which a run makes them."""
    by_run: dict[int, list[Row]] = {}
    for event in sorted(events, key=lambda one: one["place"]):
        by_run.setdefault(event["run"], []).append(
            {name: value for name, value in event.items() if name not in ("run", "place")}
        )
    session.register("run_numbers", pl.DataFrame({"run": list(by_run)}, schema={"run": pl.Int64}))
    known = {row["run"]: row for row in _query(session, "story_runs")}
    return [_run_told(run, known.get(run, {}), told) for run, told in by_run.items()]


def _run_told(run: int, known: Row, events: list[Row]) -> RunTold:
    run_on, times = known.get("run_on"), {name: known.get(name) for name in ("started_at", "finished_at")}
    return RunTold(
        run=run,
        run_on=None if run_on is None else run_on.isoformat(),
        batch_digest=known.get("batch_digest"),
        made={
            **{name: None if at is None else f"{at.isoformat(timespec='seconds')}Z" for name, at in times.items()},
            "host": known.get("host"),
            "version": known.get("software_version"),
        },
        events=events,
    )


# ---------------------------------------------------------------------------------------------------- small things


def _at(run: int, stage: int, rank: int, day: date | None, name: tuple[Any, ...]) -> Row:
    """Where an event stands: by run, by stage, in the stage of orders and returns by day before anything else."""
    on = day or date.min
    return {"run": run, "place": (run, stage, on if stage == _BY_DAY else date.min, rank, on, name)}


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in _ENTRY_KEY)


def _lettering(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in _LETTERING_KEY)


def _name(row: Row) -> str:
    """An entry's name, as `explain` takes it."""
    return "/".join(str(part) for part in _key(row))


def _reversed_name(row: Row) -> str:
    return "/".join(str(row[name]) for name in ("legal_entity", "journal_code", "reverses_fiscal_year", "reverses"))


def _picked(row: Row, *names: str) -> Row:
    return {name: row[name] for name in names}


def _sections(line: Row) -> dict[str, str]:
    """The sections that a line bears, by axis."""
    borne = sorted((name, value) for name, value in line.items() if name.startswith("axis_") and value is not None)
    return {name.removeprefix("axis_"): section for name, section in borne}


def _foreign(currency: str | None, amount: Decimal | None) -> str | None:
    return None if currency is None or amount is None else f"{amount:.{MINOR_UNITS.get(currency, 2)}f}"


def _masked(iban: str | None) -> str | None:
    """An account's country and its last four characters."""
    return None if iban is None else f"{iban[:2]}…{iban[-4:]}"


def _employee_name(session: Session, employee: str) -> str | None:
    _run(session, "employee_findings", what=employee)
    rows = _query(session, "named_employees", what=employee, legal_entity=None)
    if not rows or rows[0]["name"] is None:
        return None
    return str(rows[0]["name"])


def _run(session: Session, name: str, table: str | None = None, /, **values: Any) -> None:
    session.run(HERE / f"{name}.sql", table, **values)


def _query(session: Session, name: str, /, **values: Any) -> list[Row]:
    return _rows(session, (HERE / f"{name}.sql").read_text(encoding="utf-8"), **values)


def _rows(session: Session, query: str, /, **values: Any) -> list[Row]:
    return list(session.query(query, values).to_dicts())
