"""Exports: what goes out, the files, and the record of it (spec §6, "Exports").

An export is a fact: it is recorded with the entries it took and the format's own text, reads the ledger as of a run, and
can be made again byte for byte, or cancelled, which frees its entries.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import ExportError, FormatError, UsageError
from pipeline.exports.format import load_format, parse_format
from pipeline.exports.pain001 import Debtor, identifier, write_pain001
from pipeline.exports.write import write
from pipeline.ledger.reading import ledger_session
from pipeline.ledger.reference import stored_reference
from schemas.currencies import MINOR_UNITS
from schemas.terms import Journal

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.exports.format import LoadedFormat
    from pipeline.ledger.store import Store
    from pipeline.sql import Session

HERE = Path(__file__).parent


class Profile(BaseModel):
    """What a company asks of a format. name: what earlier exports are told by. journals: those that go out, all if none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    format: str
    entity: str | None = None
    journals: list[Journal] = []
    employees: list[str] = []
    leave_open: bool = False
    entries: str | None = None
    destinations: list[str] = []


def load_profile(path: Path) -> Profile:
    """Reads a profile, a TOML file. Raises: FormatError naming the key that is wrong."""
    try:
        return Profile.model_validate({"name": path.stem, **tomllib.loads(path.read_text(encoding="utf-8"))})
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise FormatError(said, where=f"profile {path}") from None


@dataclass(frozen=True)
class File:
    """A file of an export."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class ExportResult:
    """What an export gives. number: None for a preview, and where there was nothing to take.

    totals: per journal code the entries, lines, debit and credit. left_out: per journal and account what did not go out.
    balances: per account, for a preview.
    """

    number: int | None
    run: int
    profile: str
    legal_entity: str
    entries: int
    lines: int
    files: list[File]
    totals: list[dict[str, Any]]
    left_out: list[dict[str, Any]]
    balances: list[dict[str, Any]] = field(default_factory=list)


def export(
    store: Store,
    *,
    profile: Profile,
    entity: str,
    first: date | None,
    last: date | None,
    on: date,
    out: Path,
    preview: bool = False,
    pay: Callable[[Store, str], Store] | None = None,
) -> ExportResult:
    """Writes the entries of a legal entity that no earlier export of the profile took, and records it.

    first, last: the period, both days in it; None is open. on: the export's date. pay: for an entity whose payments are
    made by its exports, makes the order of the given id and returns the store with it; not called for a preview.
    Raises: FormatError, ExportError, UsageError with the sentence to read.
    """
    loaded = load_format(profile.format)
    number = _next_number(store)
    if not preview and pay is not None and _payment_mode(store, entity) == "at_export":
        store = pay(store, f"export-{number}")
    with ledger_session(store) as session:
        _attach(session, entity)
        _select(session, profile, loaded, entity, first, last)
        request = _Request(loaded, profile.name, entity, first, last, on, number, store.run)
        result = _write(session, request, preview=preview)
        if preview or not result.entries:
            return result
        chosen = session.query(
            "select legal_entity, journal_code, fiscal_year, entry_number from selected_entries order by all"
        )
    _record(store, request, result, chosen)
    _put(out, [*result.files, _control_sheet(result, request)])
    return result


@dataclass(frozen=True)
class _Request:
    loaded: LoadedFormat
    profile: str
    entity: str
    first: date | None
    last: date | None
    on: date
    number: int
    run: int


def again(store: Store, number: int, out: Path) -> ExportResult:
    """Writes the files of a recorded export anew: the same bytes, from the ledger as of its run and its own format.

    Raises: UsageError where there is no such export, ExportError where the bytes would differ.
    """
    record = _record_of(store, number)
    loaded = parse_format(record["format"], record["definition"], where=f"of export {number}")
    with ledger_session(store, run=record["run"]) as session:
        _attach(session, record["legal_entity"])
        session.create(
            "selected_entries",
            "select legal_entity, journal_code, fiscal_year, entry_number from stored_export_entries "
            f"where export_number = {int(number)}",
        )
        session.create("left_out", _NOTHING_LEFT_OUT)
        request = _Request(
            loaded, record["profile"], record["legal_entity"], record["first_on"], record["last_on"],
            record["exported_on"], number, record["run"],
        )
        result = _write(session, request, preview=False)
    was = {file["name"]: file["sha256"] for file in json.loads(record["files"])}
    now = {file.name: file.sha256 for file in result.files}
    if was != now:
        raise ExportError(
            "the bytes differ from those recorded", where=f"export {number}",
            mend="it was written by another version of lettrage: take the files from where they were delivered",
        )
    _put(out, result.files)
    return result


def cancel(store: Store, number: int) -> None:
    """Frees the entries of an export; its record stays. Raises: UsageError where there is none, or it is cancelled."""
    record = _record_of(store, number)
    if record["export_status"] == "cancelled":
        raise UsageError(f"export {number} is cancelled already")
    with store.writing() as writer:
        latest = writer.store
        sequence = 1 + _last_sequence(latest)
        row = {**record, "sequence": sequence, "export_status": "cancelled"}
        writer.write("exports", pl.DataFrame([row], schema=_EXPORT_COLUMNS))
        writer.commit(None, {"lettrage.cancelled_export": str(number)})


def exports(store: Store) -> pl.DataFrame:
    """The exports as they stand: a row an export, with export_number, profile, legal_entity, period, entries, status."""
    rows = _exports(store)
    latest = rows.sort("sequence").group_by("export_number", maintain_order=True).last()
    return latest.select(
        "export_number", "export_status", "profile", "format", "legal_entity", "first_on", "last_on", "exported_on",
        "run", "entry_count", "files",
    ).sort("export_number")


def export_order(store: Store, *, order: str, out: Path) -> list[File]:
    """Writes the bank's file of an order: pain.001 for SEPA, else a list of the amounts per employee (spec §6).

    It holds the payments as the order made them, so that the same order gives the same bytes whatever came later.
    Raises: UsageError where the ledger has no such order, ExportError where it paid nobody or its account has no IBAN.
    """
    with ledger_session(store) as session:
        made_in = session.value(
            "select min(run) from stored_payments where payment_order = $order", {"order": order}
        )
        known = session.value("select count(*) from documents where document = $order and document_kind = 'payment_order'", {"order": order})
    if not known:
        raise UsageError(f"the ledger has no payment order {order}", mend="see `lettrage status`")
    if made_in is None:
        raise ExportError(f"order {order} paid nobody: there is no file to write", where=f"order {order}")
    with ledger_session(store, run=made_in) as session:
        _attach(session, None)
        session.run(HERE / "order_payments.sql", order=order)
        payments = session.query("select * from order_payments order by employee")
        entity = session.query(
            "select legal_entities.* from legal_entities where legal_entity = $entity",
            {"entity": payments["legal_entity"][0]},
        ).row(0, named=True)
        key = session.value("select bank_account from stored_order_accounts where payment_order = $order", {"order": order})
        accounts = session.query("select * from bank_accounts where legal_entity = $entity", {"entity": entity["legal_entity"]})
    payments = payments.with_columns(
        end_to_end_id=pl.col("employee").map_elements(lambda employee: identifier(order, employee), return_dtype=pl.String)
    )
    if entity["payment_mode"] != "sepa":
        loaded = load_format("payment_list")
        files = [File(_file_name(loaded, {"payment_order": order, "legal_entity": entity["legal_entity"]}), write(loaded, payments))]
    else:
        own = accounts.filter(bank_account=key).row(0, named=True) if key is not None else entity
        if not own["iban"]:
            raise ExportError("the account that it is paid from has no IBAN", where=f"order {order}", mend="add it to the reference tables and pay by a new order")
        loaded = load_format("pain001")
        content = write_pain001(
            order, payments["document_date"][0], Debtor(entity["name"], own["iban"], own["bic"]), payments
        )
        files = [File(_file_name(loaded, {"payment_order": order, "legal_entity": entity["legal_entity"]}), content)]
    _put(out, files)
    return files


_EXPORT_COLUMNS: dict[str, pl.DataType] = {
    "run": pl.Int64(), "sequence": pl.Int64(), "export_number": pl.Int64(), "export_status": pl.String(),
    "profile": pl.String(), "format": pl.String(), "definition": pl.String(), "legal_entity": pl.String(),
    "first_on": pl.Date(), "last_on": pl.Date(), "exported_on": pl.Date(), "entry_count": pl.Int64(),
    "line_count": pl.Int64(), "files": pl.String(), "totals": pl.String(),
}
_NOTHING_LEFT_OUT = """
    select null::varchar as journal, null::varchar as account, null::bigint as entries,
        null::decimal(18, 4) as debit, null::decimal(18, 4) as credit where false
"""


def _attach(session: Session, entity: str | None) -> None:
    """Registers the reference as the ledger knew it, and checks that it knows the legal entity."""
    for table, frame in stored_reference(session).items():
        session.register(table, frame)
    session.register(
        "currencies",
        pl.DataFrame({"currency": list(MINOR_UNITS), "digits": list(MINOR_UNITS.values())}).cast({"digits": pl.Int32}),
    )
    if entity is not None and not session.value(
        "select count(*) from legal_entities where legal_entity = $entity", {"entity": entity}
    ):
        known = session.query("select legal_entity from legal_entities order by legal_entity")["legal_entity"].to_list()
        raise UsageError(f"the ledger knows no legal entity {entity}", mend=f"it knows {', '.join(known) or 'none'}")


def _payment_mode(store: Store, entity: str) -> str:
    with ledger_session(store) as session:
        _attach(session, entity)
        return str(session.value("select payment_mode from legal_entities where legal_entity = $entity", {"entity": entity}))


def _select(
    session: Session, profile: Profile, loaded: LoadedFormat, entity: str, first: date | None, last: date | None
) -> None:
    """Makes selected_entries, and left_out: what a journal that is left out would have brought, by account."""
    mode = profile.entries or loaded.format.entries
    session.create(
        "taken_entries",
        """
        select distinct entries.legal_entity, entries.journal_code, entries.fiscal_year, entries.entry_number
        from stored_export_entries as entries
        inner join (
            select * from stored_exports
            qualify row_number() over (partition by export_number order by sequence desc) = 1
        ) as exports on entries.export_number = exports.export_number
        where exports.export_status = 'recorded' and exports.profile = $profile and exports.legal_entity = $entity
        """,
        {"profile": profile.name, "entity": entity},
    )
    session.run(HERE / "select_entries.sql", "candidate_entries", entity=entity, first=first, last=last)
    journals = [str(journal) for journal in profile.journals] or [str(journal) for journal in Journal]
    session.create(
        "allowed_entries",
        f"select *, list_contains($journals, journal) as is_wanted from candidate_entries where is_ripe {'and is_free' if mode == 'new' else ''}",
        {"journals": journals},
    )
    split = session.value(
        "select count(*) from allowed_entries where not is_wanted and journal = 'advance_imputation' and accounts > 1"
    )
    if split and not profile.leave_open:
        raise ExportError(
            f"{split} imputations cannot be left out: their two lines fall on different accounts",
            where=f"profile {profile.name}",
            mend="export the journal advance_imputation, or write leave_open = true in the profile",
        )
    employees = "true"
    if profile.employees:
        employees = "employee in (select unnest($employees))"
    session.create(
        "selected_entries",
        f"""
        select distinct allowed.legal_entity, allowed.journal_code, allowed.fiscal_year, allowed.entry_number
        from allowed_entries as allowed
        inner join entry_lines as lines
            on allowed.legal_entity = lines.legal_entity and allowed.journal_code = lines.journal_code
                and allowed.fiscal_year = lines.fiscal_year and allowed.entry_number = lines.entry_number
        where allowed.is_wanted and {employees}
        """,
        {"employees": profile.employees},
    )
    session.create(
        "left_out",
        """
        select lines.journal, lines.account, count(distinct (lines.journal_code, lines.fiscal_year, lines.entry_number)) as entries,
            sum(lines.debit)::decimal(18, 4) as debit, sum(lines.credit)::decimal(18, 4) as credit
        from entry_lines as lines
        semi join (select * from allowed_entries where not is_wanted) as allowed
            on allowed.legal_entity = lines.legal_entity and allowed.journal_code = lines.journal_code
                and allowed.fiscal_year = lines.fiscal_year and allowed.entry_number = lines.entry_number
        group by lines.journal, lines.account order by lines.journal, lines.account
        """,
    )


def _write(session: Session, request: _Request, *, preview: bool) -> ExportResult:
    """Makes the files of selected_entries, and the figures that an export is known by."""
    session.run(HERE / "export_lines.sql", entity=request.entity, on=request.on)
    form = request.loaded.format
    digits = session.value("select max(currency_digits) from export_lines")
    if digits is not None and digits > form.decimals:
        raise ExportError(
            f"the format holds {form.decimals} decimals, the books of {request.entity} have {digits}",
            where=f"format {request.loaded.name}", mend="choose a format that holds them",
        )
    order = ", ".join(f'"{name}"' for name in form.order)
    lines = session.query(f"select * from export_lines order by {order}, line_number")
    files: list[File] = []
    entity = session.query("select * from legal_entities where legal_entity = $entity", {"entity": request.entity}).row(0, named=True)
    if len(lines):
        if form.needs_siren and not (entity["siren"] or "").strip():
            raise ExportError(
                "legal entity " + request.entity + " has no siren, which the file is named after",
                where=f"format {request.loaded.name}", mend="fill in siren in legal_entities",
            )
        files = [File(_line_file_name(request, entity, lines), write(request.loaded, lines))]
    totals = session.query(
        """
        select journal_code, fiscal_year, count(distinct entry_number) as entries, count(*) as lines,
            sum(debit)::decimal(18, 4) as debit, sum(credit)::decimal(18, 4) as credit,
            min(entry_number) as first_number, max(entry_number) as last_number
        from export_lines group by journal_code, fiscal_year order by journal_code, fiscal_year
        """
    ).to_dicts()
    balances = session.query(
        """
        select account, auxiliary, sum(debit)::decimal(18, 4) as debit, sum(credit)::decimal(18, 4) as credit,
            (sum(debit) - sum(credit))::decimal(18, 4) as balance
        from export_lines group by account, auxiliary order by account, auxiliary nulls first
        """
    ).to_dicts() if preview else []
    entries = int(session.value("select count(*) from selected_entries"))
    return ExportResult(
        None if preview or not entries else request.number, request.run, request.profile, request.entity, entries,
        len(lines), files, totals, session.query("select * from left_out").to_dicts(), balances,
    )


def _line_file_name(request: _Request, entity: dict[str, Any], lines: pl.DataFrame) -> str:
    first = request.first or lines["entry_date"].min()
    last = request.last or lines["entry_date"].max()
    year = int(lines["fiscal_year"].max())  # type: ignore[arg-type] - fiscal years are whole numbers
    if request.loaded.format.needs_siren and request.loaded.format.entries == "all" and lines["fiscal_year"].n_unique() > 1:
        raise ExportError(
            "the period holds entries of more than one fiscal year, and the file is of one",
            where=f"format {request.loaded.name}", mend="give the first and last day of one fiscal year",
        )
    return _file_name(
        request.loaded,
        {
            "legal_entity": request.entity, "entity_name": entity["name"], "siren": entity["siren"],
            "profile": request.profile, "format": request.loaded.name, "first_on": first, "last_on": last,
            "exported_on": request.on, "fiscal_year_end": _fiscal_year_end(year, entity["fiscal_year_start"]),
            "export_number": request.number,
        },
    )


def _fiscal_year_end(year: int, start: str | None) -> date:
    """The last day of the fiscal year that ends in a calendar year."""
    month, day = (int(part) for part in (start or "01-01").split("-"))
    if (month, day) == (1, 1):
        return date(year, 12, 31)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return date(year, month, 28 if (month, day) == (2, 29) and not leap else day) - timedelta(days=1)


def _file_name(loaded: LoadedFormat, values: dict[str, Any]) -> str:
    name = pl.DataFrame([values], infer_schema_length=None).select(loaded.file.value.alias("name")).item()
    return "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in str(name))


def _next_number(store: Store) -> int:
    numbers = _exports(store)["export_number"]
    return 1 + int(numbers.max() or 0)  # type: ignore[arg-type] - export numbers are whole numbers


def _last_sequence(store: Store) -> int:
    return int(_exports(store)["sequence"].max() or 0)  # type: ignore[arg-type] - sequences are whole numbers


def _exports(store: Store) -> pl.DataFrame:
    files = store.files("exports")
    if not files:
        return pl.DataFrame(schema=_EXPORT_COLUMNS)
    return pl.concat([pl.read_parquet(path) for path in files])


def _record_of(store: Store, number: int) -> dict[str, Any]:
    rows = _exports(store).filter(export_number=number).sort("sequence")
    if rows.is_empty():
        raise UsageError(f"there is no export {number}", mend="see `lettrage exports`")
    return rows.row(-1, named=True)


def _record(store: Store, request: _Request, result: ExportResult, entries: pl.DataFrame) -> None:
    """Writes the record in one commit, and the entries taken with it."""
    with store.writing() as writer:
        latest = writer.store
        if latest.run != store.run or _next_number(latest) != request.number:
            raise ExportError(
                "another run or export came in between; nothing was recorded or written",
                where=f"profile {request.profile}", mend="give the command again",
            )
        row = {
            "run": request.run,
            "sequence": 1 + _last_sequence(latest),
            "export_number": request.number,
            "export_status": "recorded",
            "profile": request.profile,
            "format": request.loaded.name,
            "definition": request.loaded.text,
            "legal_entity": request.entity,
            "first_on": request.first,
            "last_on": request.last,
            "exported_on": request.on,
            "entry_count": result.entries,
            "line_count": result.lines,
            "files": json.dumps([{"name": file.name, "bytes": len(file.content), "sha256": file.sha256} for file in result.files]),
            "totals": json.dumps(result.totals, default=str),
        }
        writer.write("exports", pl.DataFrame([row], schema=_EXPORT_COLUMNS))
        writer.write("export_entries", entries.select(pl.lit(request.number, pl.Int64).alias("export_number"), pl.all()))
        writer.commit(None, {"lettrage.export": str(request.number)})


def _control_sheet(result: ExportResult, request: _Request) -> File:
    """What an accountant ticks off beside the file: totals by journal, and what did not go out."""
    rows = ["section,journal,account,fiscal_year,entries,lines,debit,credit,first_number,last_number"]
    rows += [
        f"exported,{total['journal_code']},,{total['fiscal_year']},{total['entries']},{total['lines']},"
        f"{total['debit']},{total['credit']},{total['first_number']},{total['last_number']}"
        for total in result.totals
    ]
    debit = sum((total["debit"] for total in result.totals), Decimal(0))
    credit = sum((total["credit"] for total in result.totals), Decimal(0))
    rows.append(f"total,,,,{result.entries},{result.lines},{debit},{credit},,")
    rows += [
        f"left out,{row['journal']},{row['account']},,{row['entries']},,{row['debit']},{row['credit']},,"
        for row in result.left_out
    ]
    rows += [f"file,{file.name},{file.sha256},,,{len(file.content)},,,," for file in result.files]
    name = f"control_{request.number}_{result.legal_entity}_{request.loaded.name}.csv"
    return File(name, ("\r\n".join(rows) + "\r\n").encode("utf-8"))


def _put(out: Path, files: list[File]) -> None:
    """Puts files into a directory; each appears whole."""
    out.mkdir(parents=True, exist_ok=True)
    for file in files:
        beside = out / f".{file.name}.writing"
        with beside.open("wb") as target:
            target.write(file.content)
            target.flush()
            os.fsync(target.fileno())
        beside.replace(out / file.name)


def formats() -> list[tuple[str, str]]:
    """The formats that come with the program: name and title."""
    from pipeline.exports.format import shipped

    return [(name, load_format(name).format.title) for name in shipped()]
