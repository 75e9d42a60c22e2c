"""Exports: what goes out, the files, and the record of it (spec §6, "Exports").

An export is a fact: it is recorded with the entries that it took and the format's own text, reads the ledger as of a
run, and can be made again byte for byte, or cancelled, which frees its entries.
"""

from __future__ import annotations

import csv
import io
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.errors import ExportError, FormatError, UsageError
from pipeline.exports import columns, record
from pipeline.exports.entries import Axes, wanted_columns
from pipeline.exports.format import load_format, parse_format
from pipeline.exports.known import attach_known
from pipeline.exports.profile import Profile, load_profile
from pipeline.exports.record import Figures, Request, cancel, exports
from pipeline.exports.render import Sums
from pipeline.exports.write import File, Files, Group, Sink, file_name, safe_name, write_payments
from pipeline.exports.write_pain001 import Debtor, identifiers, write_pain001
from pipeline.ledger import chain
from pipeline.ledger.as_of import NOW, AsOf
from pipeline.ledger.disk import make_durable
from pipeline.ledger.reading import axes, ledger_session
from pipeline.sql import identifier
from schemas.currencies import MINOR_UNITS
from schemas.terms import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pipeline.exports.format import LoadedFormat
    from pipeline.ledger.store import Store, Writer
    from pipeline.sql import Session

__all__ = [
    "ExportResult",
    "File",
    "Profile",
    "again",
    "cancel",
    "export",
    "export_order",
    "exports",
    "load_profile",
]

HERE = Path(__file__).parent
#: lines that are written at a time
_BATCH = 100_000
_SIREN = 9
_SIDES = ("debit", "credit")
_NO_ORDER = "no payment order was made: this is the ledger as it was, and an order pays what is open today"


@dataclass(frozen=True)
class ExportResult:
    """What an export gives. number: None for a preview, and where there was nothing to take.

    totals: per journal code and fiscal year the entries, lines, debit and credit. left_out: per fate (left_out,
    held_back), journal and account what stayed in the ledger. For a preview, balances: per account; drill: the lines on
    the account that was asked for, entry by entry. notes: what was asked for and is not done.
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
    drill: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


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
    account: str | None = None,
    pay: Callable[[Writer, str], int | None] | None = None,
    as_of: AsOf = NOW,
) -> ExportResult:
    """Writes the entries of a legal entity that no earlier export of the profile took, and records it.

    first, last: the period, both days in it; None is open. on: the export's date. account: the general account of which
    a preview shows the lines. pay: for an entity whose payments are made by its exports, writes the order of the given
    id (`export-<number>`, of the last day of the period) and returns its run, None where it is in the ledger already.
    The order and the export are one commit, so that neither is there without the other. It is never called for a
    preview nor where there is nothing to take. as_of: the ledger that is read, that of now in place of another; what
    exports have taken since is taken all the same, and no order is made, for it would pay what is open today.
    Raises: FormatError, ExportError, UsageError with the sentence to read.
    """
    loaded = load_format(profile.format, profile.wishes)
    _demand(loaded, profile, first, last)
    with ledger_session(store, as_of=as_of) as session:
        attach_known(session)
        about = _entity(session, entity, loaded)
        pays = not preview and pay is not None and about["payment_mode"] == "at_export"
        # What orders and exports are called by does not depend on what is asked for.
        with ledger_session(store) if as_of else nullcontext(session) as today:
            number = _free_number(today, store, entity, last or on)
        request = Request(
            number=number,
            run=as_of.run_of(store),
            as_of_on=as_of.on,
            profile=profile.name,
            format=loaded.name,
            definition=record.definition(loaded, profile),
            legal_entity=entity,
            first_on=first,
            last_on=last,
            exported_on=on,
        )
        if pay is None or not pays or as_of:
            recorded = None if preview else partial(record.record, store, request)
            made = _exported(session, loaded, profile, request, recorded, about=about, out=out, account=account)
            return replace(made, notes=[_NO_ORDER]) if pays else made
        _select(session, profile, loaded, request)
        figures = _figures(session)
        if not figures.entries and not _may_pay(session, profile, entity, last or on):
            return _result(request, figures, [], number=None)
    # Nobody else writes until both are committed: what the files hold is what the ledger will be.
    with chain.writing(store) as writer:
        record.demand_unmoved(writer, store, request)
        run = pay(writer, record.order_of(request.number))
        paid = writer.store if run is None else writer.pending(run)
        request = replace(request, run=paid.run)
        recorded = partial(record.commit, writer, request, run=run)
        with ledger_session(paid) as session:
            attach_known(session)
            made = _exported(session, loaded, profile, request, recorded, about=about, out=out)
    # Where nothing was taken the order is forgotten: the ledger is as it was.
    return made if made.number is not None else replace(made, run=store.run)


def _demand(loaded: LoadedFormat, profile: Profile, first: date | None, last: date | None) -> None:
    """Holds what is asked for to what can be done. Raises: FormatError, UsageError."""
    if loaded.format.of != "lines":
        raise UsageError(f"format {loaded.name} writes the payments of an order", mend="give the order: --order ID")
    if first and last and last < first:
        raise UsageError(f"the period ends on {last}, before it begins", mend=f"--from is {first}: turn them round")
    if profile.nominal_side and (loaded.format.negative == "never" or loaded.format.shape == "pairs"):
        raise FormatError(
            f"format {loaded.name} holds no amount below 0",
            where=f"profile {profile.name}, nominal_side",
            mend="leave it out: amounts below 0 then go to the other side",
        )


def _exported(
    session: Session,
    loaded: LoadedFormat,
    profile: Profile,
    request: Request,
    recorded: Callable[[Figures, list[File], pl.DataFrame], None] | None,
    *,
    about: dict[str, Any],
    out: Path,
    account: str | None = None,
) -> ExportResult:
    """Selects and writes. recorded: records what was written and the entries taken; None for a preview."""
    _select(session, profile, loaded, request)
    figures = _figures(session)
    if not figures.entries:
        return _result(request, figures, [], number=None)
    with _written(
        session, loaded, profile, request, figures.totals, None if recorded is None else out, about=about
    ) as made:
        if recorded is None:
            session.run(HERE / "export_balances.sql")
            balances = session.query("select * from export_balances order by account, auxiliary nulls first")
            drill = session.query(
                """
                select
                    journal_code, fiscal_year, entry_number, line_number, entry_date, document, employee, account,
                    auxiliary, label, debit, credit
                from export_lines where account = $account
                order by entry_date, journal_code, fiscal_year, entry_number, line_number
                """,
                {"account": account},
            )
            return _result(request, figures, made.files(), number=None, balances=balances, drill=drill)
        control = Sink(out, _control_name(request))
        files = made.files()
        made.sinks.append(control)
        control.write(_control_sheet(request, figures, files, made, about["currency"]))
        control.close()
        taken = session.query("select * from selected_entries order by all")
        recorded(figures, files, taken)
        put = _put(made.sinks, out, request.number)
        return _result(request, figures, put[:-1], number=request.number)


def again(store: Store, number: int, out: Path) -> ExportResult:
    """Writes the files of a recorded export anew: the same bytes, from the ledger as of its run and its own format.

    Raises: UsageError where there is no such export, ExportError where the bytes would differ; nothing is written then.
    """
    row = record.record_of(store, number)
    if row["export_status"] == record.CANCELLED:
        raise UsageError(
            f"export {number} is cancelled: its entries are free, and may have gone out with another",
            mend="export them anew",
        )
    request, figures = record.request_of(row)
    profile = Profile.model_validate(request.definition["profile"])
    loaded = parse_format(request.format, request.definition["format"], profile.wishes)
    loaded = replace(loaded, template=record.template_of(request.definition))
    with _taken(store, request) as session:
        about = _entity(session, request.legal_entity, loaded)
        with _written(session, loaded, profile, request, figures.totals, out, about=about) as made:
            files = made.files()
            if record.files_of(row) != {file.name: file.sha256 for file in files}:
                raise ExportError(
                    "the bytes differ from those recorded",
                    where=f"export {number}",
                    mend="it was made by another version of lettrage: make it again with that one",
                )
            control = Sink(out, _control_name(request))
            made.sinks.append(control)
            control.write(_control_sheet(request, figures, files, made, about["currency"]))
            put = _put(made.sinks, out, number)
    return _result(request, figures, put[:-1], number=number)


@contextmanager
def as_recorded(
    store: Store,
    number: int,
    loaded: LoadedFormat,
    profile: Profile,
    *,
    made_by: Callable[[LoadedFormat, Axes], Files],
) -> Iterator[Files]:
    """Gives what made_by makes of the entries of a recorded export, of the ledger as of its run. Nothing is written.

    Raises: UsageError where there is no such export, and as writing does.
    """
    request, figures = record.request_of(record.record_of(store, number))
    with _taken(store, request) as session:
        about = _entity(session, request.legal_entity, loaded)
        totals = figures.totals
        with _written(session, loaded, profile, request, totals, None, about=about, made_by=made_by) as made:
            yield made


@contextmanager
def _taken(store: Store, request: Request) -> Iterator[Session]:
    """Opens the ledger as of an export's run and day, with the entries that it took as selected_entries."""
    with ledger_session(store, as_of=request.as_of) as session:
        attach_known(session)
        session.create(
            "selected_entries",
            "select legal_entity, journal_code, fiscal_year, entry_number from stored_export_entries "
            "where export_number = $number",
            {"number": request.number},
        )
        yield session


def export_order(store: Store, *, order: str, out: Path) -> list[File]:
    """Writes the bank's file of an order: pain.001 for SEPA, else a list of the amounts per employee (spec §6).

    It holds the payments as the order made them, so that the same order gives the same bytes whatever came later.
    Raises: UsageError where the ledger has no such order, ExportError where it paid nobody or its account has no IBAN.
    """
    with ledger_session(store) as session:
        known = session.value(
            "select count(*) from documents where document_kind = 'payment_order' and document = $order",
            {"order": order},
        )
        made_in = session.value("select min(run) from stored_payments where payment_order = $order", {"order": order})
    if not known:
        raise UsageError(f"the ledger has no payment order {order}", mend="see `lettrage status`")
    if made_in is None:
        raise ExportError("the order paid nobody: there is no file to write", where=f"order {order}")
    with ledger_session(store, as_of=AsOf(run=made_in)) as session:
        attach_known(session)
        session.run(HERE / "order_payments.sql", order=order)
        payments = session.query("select * from order_payments order by employee")
        about = _entity(session, payments["legal_entity"][0])
        account = session.query(
            """
            select bank_accounts.iban, bank_accounts.bic from stored_order_accounts
            inner join bank_accounts on stored_order_accounts.bank_account = bank_accounts.bank_account
            where stored_order_accounts.payment_order = $order and bank_accounts.legal_entity = $entity
            """,
            {"order": order, "entity": about["legal_entity"]},
        ).to_dicts()
    payments = payments.with_columns(identifiers(order, payments["employee"]).alias("end_to_end_id"))
    loaded = load_format("pain001" if about["payment_mode"] == "sepa" else "payment_list")
    facts = {**about, "payment_order": order, "format": loaded.name, "exported_on": payments["paid_on"][0]}
    facts["fiscal_year_start"] = None
    out.mkdir(parents=True, exist_ok=True)
    with _sinks() as sinks:
        sinks.append(Sink(out, file_name(loaded, facts)))
        if loaded.format.kind == "pain.001":
            own = account[0] if account else about
            if not own["iban"]:
                raise ExportError(
                    "the account that it is paid from has no IBAN",
                    where=f"order {order}",
                    mend="fill in the IBAN in the reference tables, and pay by another order",
                )
            debtor = Debtor(about["entity_name"], own["iban"], own["bic"])
            write_pain001(order, payments["paid_on"][0], debtor, payments, sinks[0])  # type: ignore[arg-type]  # a Sink is written to, nothing else
        else:
            write_payments(loaded, payments, facts, sinks[0])
        made = [sinks[0].put()]
        make_durable(out)
    return made


# ----------------------------------------------------------------------------------------------------- selection


def _entity(session: Session, entity: str, loaded: LoadedFormat | None = None) -> dict[str, Any]:
    """What the ledger knows of a legal entity. Raises: UsageError, ExportError where it does not know enough."""
    rows = session.query(
        "select *, name as entity_name from legal_entities where legal_entity = $entity", {"entity": entity}
    )
    if rows.is_empty():
        known = session.query("select legal_entity from legal_entities order by legal_entity")["legal_entity"].to_list()
        raise UsageError(f"the ledger knows no legal entity {entity}", mend=f"it knows {', '.join(known) or 'none'}")
    about = rows.row(0, named=True)
    about["siren"] = "".join((about["siren"] or "").split())
    if loaded is not None and loaded.format.needs_siren and not _is_siren(about["siren"]):
        wrong = f"{about['siren']!r} is no SIREN of {_SIREN} digits" if about["siren"] else "it has no SIREN"
        raise ExportError(
            f"{wrong}, and the file is named after it",
            where=f"format {loaded.name}, legal entity {entity}",
            mend="fill in siren in legal_entities; a company without one writes no such file",
        )
    return about


def _is_siren(text: str) -> bool:
    return len(text) == _SIREN and text.isascii() and text.isdigit()


def _free_number(session: Session, store: Store, entity: str, last: date) -> int:
    """The next number whose payment order is nobody else's: one of an older version may have left its order alone."""
    number = record.next_number(store)
    documents = session.query(
        """
        select document, document_kind, legal_entity, event_date, posted_run is not null as posted
        from stored_documents
        where document like 'export-%'
        """
    )
    made = {row[0]: row[1:] for row in documents.iter_rows()}
    own = ("payment_order", entity, last, True)
    while made.get(record.order_of(number), own) != own:
        number += 1
    return number


def _may_pay(session: Session, profile: Profile, entity: str, cutoff: date) -> bool:
    """Whether an order might make entries that the profile takes, though there are none to take without it."""
    if profile.journals and Journal.PAYMENT not in profile.journals:
        return False
    found = session.value(
        """
        select count(*) from (
            select employee from entry_lines
            where legal_entity = $entity and role = 'employee' and lettering is null and entry_date <= $cutoff
            group by employee
        )
        """,
        {"entity": entity, "cutoff": cutoff},
    )
    return bool(found)


def _select(session: Session, profile: Profile, loaded: LoadedFormat, request: Request) -> None:
    """Makes selected_entries, and left_out: what stays in the ledger though nobody took it."""
    session.run(HERE / "taken_entries.sql", profile=profile.name, entity=request.legal_entity)
    session.run(
        HERE / "entry_fates.sql",
        entity=request.legal_entity,
        first=request.first_on,
        last=request.last_on,
        journals=[str(journal) for journal in profile.journals or Journal],
        employees=profile.filters.employees,
        document_kinds=[str(kind) for kind in profile.filters.document_kinds],
        all_again=(profile.entries or loaded.format.entries) == "all",
    )
    journals = profile.journals or list(Journal)
    if Journal.ADVANCE_IMPUTATION not in journals and not profile.leave_open:
        moved = session.value(
            "select count(*) from entry_fates "
            "where fate = 'left_out' and journal = 'advance_imputation' and accounts > 1"
        )
        if moved:
            raise ExportError(
                f"{moved} imputations cannot be left out: their two lines fall on different accounts",
                where=f"profile {profile.name}, journals",
                mend="export advance_imputation as well, or write leave_open = true in the profile",
            )
    session.create(
        "selected_entries",
        "select legal_entity, journal_code, fiscal_year, entry_number from entry_fates where fate = 'exported'",
    )
    session.run(HERE / "left_out.sql")
    session.run(HERE / "export_totals.sql")


def _figures(session: Session) -> Figures:
    totals = session.query("select * from export_totals order by journal_code, fiscal_year, month_on").to_dicts()
    return Figures(
        entries=session.count("selected_entries"),
        lines=sum(total["lines"] for total in totals),
        totals=totals,
        left_out=session.query("select * from left_out order by fate, journal, account").to_dicts(),
    )


# --------------------------------------------------------------------------------------------------------- files


@contextmanager
def _sinks() -> Iterator[list[Sink]]:
    """Gives a list for the files being written; those that are not put in the end are forgotten."""
    sinks: list[Sink] = []
    try:
        yield sinks
    finally:
        for sink in sinks:
            sink.discard()


@contextmanager
def _written(
    session: Session,
    loaded: LoadedFormat,
    profile: Profile,
    request: Request,
    totals: list[dict[str, Any]],
    out: Path | None,
    *,
    about: dict[str, Any],
    made_by: Callable[[LoadedFormat, Axes], Files] | None = None,
) -> Iterator[Files]:
    """Writes the files of selected_entries, under hidden names still; without a folder into memory, or nowhere.

    made_by: what is made of them in place of files.
    """
    _attach_years(session, {total["fiscal_year"] for total in totals}, about["fiscal_year_start"])
    _attach_lines(session, request, profile)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    used = [f"{columns.AXIS}{axis}" for axis in profile.axes] or axes(session)
    loaded = loaded.with_axes(used)
    labels = session.query(
        "select 'axis_' || axis as axis, section, label as section_label from section_labels order by all"
    )
    by_axis = Axes(used, labels)
    files = Files(loaded, out, by_axis) if made_by is None else made_by(loaded, by_axis)
    try:
        for group in _groups(session, loaded, request, totals, axes=used, about=about):
            files.write(group)
        yield files
    finally:
        for sink in files.sinks:
            sink.discard()


def _put(sinks: list[Sink], out: Path, number: int) -> list[File]:
    """Gives the files of a recorded export their names. Raises: ExportError, for they can be written anew."""
    try:
        put = [sink.put() for sink in sinks]
        make_durable(out)
    except OSError as error:
        raise ExportError(
            f"export {number} is recorded, its files could not be written ({error.strerror or error})",
            where=str(out),
            mend=f"mend the directory, then `lettrage export --again {number} --out {out}`",
        ) from None
    return put


def _attach_lines(session: Session, request: Request, profile: Profile) -> None:
    """Makes export_lines a view: nothing of it is computed that no field reads."""
    session.register(
        "export_request",
        pl.DataFrame(
            {
                "exported_on": [request.exported_on],
                "nominal_side": [profile.nominal_side],
                "employee_account": [profile.employee_account],
                "validated_by": [profile.validated_on],
                "due_after": [None if profile.due is None else profile.due.after],
                "due_days": [None if profile.due is None else profile.due.days],
                "due_at_month_end": [None if profile.due is None else profile.due.month_end],
            },
            schema={
                "exported_on": pl.Date,
                "nominal_side": pl.Boolean,
                "employee_account": pl.String,
                "validated_by": pl.String,
                "due_after": pl.String,
                "due_days": pl.Int32,
                "due_at_month_end": pl.Boolean,
            },
        ),
    )
    session.run(HERE / "journal_labels.sql", entity=request.legal_entity)
    session.run(HERE / "account_labels.sql", entity=request.legal_entity)
    session.run(HERE / "section_labels.sql", language=profile.language)
    session.view("export_lines", (HERE / "export_lines.sql").read_text(encoding="utf-8"))


def _attach_years(session: Session, years: set[int], start: str | None) -> None:
    """Makes fiscal_years: one row per year that the export touches."""
    ends = {year: fiscal_year_end(year, start) for year in sorted(years)}
    starts = [fiscal_year_end(year - 1, start) + timedelta(days=1) for year in ends]
    frame = pl.DataFrame({"fiscal_year": list(ends), "starts_on": starts, "ends_on": list(ends.values())})
    session.register("fiscal_years", frame.cast({"fiscal_year": pl.Int32}))


def _groups(
    session: Session,
    loaded: LoadedFormat,
    request: Request,
    totals: list[dict[str, Any]],
    *,
    axes: list[str],
    about: dict[str, Any],
) -> Iterator[Group]:
    """The lines that go into files of their own, as the format's split_by says."""
    digits = MINOR_UNITS[about["currency"]]
    key = {None: None, "month": "month_on"}.get(loaded.format.split_by, loaded.format.split_by)
    for value in [None] if key is None else sorted({total[key] for total in totals}):
        held = [total for total in totals if key is None or total[key] == value]
        facts = {**_facts(about, request, held), "currency_digits": digits}
        codes = {total["journal_code"] for total in held}
        facts["journal_code"] = codes.pop() if len(codes) == 1 else None
        sums = [sum(total[name] for total in held) for name in ("lines", "entries", *_SIDES)]
        yield Group(
            facts,
            _shown(record.by_year(held), digits),
            Sums(*sums),
            partial(_batches, session, loaded, axes, key, value),
            partial(_accounts, session, loaded, key, value),
        )


_SPLIT = {"fiscal_year": "fiscal_year", "journal_code": "journal_code", "month_on": "date_trunc('month', entry_date)"}


def _lines(
    session: Session, columns_wanted: set[str], key: str | None, value: Any, said: str, axes: Sequence[str] = ()
) -> Any:
    """A query over export_lines; a section on an axis that the ledger does not have is empty."""
    present = {name for (name, *_) in session.con.execute("describe export_lines").fetchall()}
    made = _sections([axis for axis in axes if axis in present])
    selected = ", ".join(
        identifier(name) if name in present else f"{made.get(name, 'null::varchar')} as {identifier(name)}"
        for name in sorted(columns_wanted)
    )
    where, params = ("", {}) if key is None else (f"where {_SPLIT[key]} = $value", {"value": value})
    return session.con.sql(said.format(selected=selected, where=where), params=params)


def _sections(axes: list[str]) -> dict[str, str]:
    """The columns section_<n> and section_<n>_label: codes and labels on the first, second… axis."""
    made: dict[str, str] = {}
    for number, axis in enumerate(axes, start=1):
        code = f"export_lines.{identifier(axis)}"
        label = (
            f"select section_labels.label from section_labels "
            f"where section_labels.axis = '{axis.removeprefix(columns.AXIS)}' and section_labels.section = {code}"
        )
        made |= {f"section_{number}": code, f"section_{number}_label": f"coalesce(({label}), {code})"}
    return made


def _batches(
    session: Session, loaded: LoadedFormat, axes: list[str], key: str | None, value: Any
) -> Iterator[pl.DataFrame]:
    """The lines that a file is made of, in its order, with the columns that its fields and messages want."""
    gathered = _GATHERED[loaded.format.merge.entries]
    if gathered and any(made.record.per == "journal" for made in loaded.records):
        gathered = ("journal_code", *gathered)
    order = dict.fromkeys([*gathered, *loaded.format.order, *columns.KEYS["lines"]])
    ordered = ", ".join(f"{_ORDER.get(name) or identifier(name)} nulls first" for name in order)
    wanted = wanted_columns(loaded, axes)
    lines = _lines(
        session, wanted, key, value, f"select {{selected}} from export_lines {{where}} order by {ordered}", axes
    )
    for batch in lines.to_arrow_reader(_BATCH):
        frame = pl.from_arrow(batch)
        assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a batch is no column
        yield frame


#: what the lines are sorted by before the format's order, where entries are gathered
_GATHERED: dict[str, tuple[str, ...]] = {
    "entry": (),
    "document": ("month", "journal_code", "fiscal_year", "document_kind", "document"),
    "employee_month": ("month", "journal_code", "fiscal_year", "employee"),
    "journal_month": ("month", "journal_code", "fiscal_year"),
}
_ORDER = {"month": "date_trunc('month', entry_date)"}


def _accounts(session: Session, loaded: LoadedFormat, key: str | None, value: Any) -> pl.DataFrame | None:
    """A row for each account of the lines, where a record comes for each; with the columns that it reads."""
    records = [made for made in loaded.records if made.record.per == "account"]
    if not records:
        return None
    read = frozenset().union(*(made.read_columns for made in records)) & columns.LINES.keys()
    wanted = {name for name in read if name in columns.ACCOUNT_COLUMNS} | {"account"}
    accounts = _lines(session, wanted, key, value, "select distinct {selected} from export_lines {where}").pl()
    assert isinstance(accounts, pl.DataFrame)  # noqa: S101 - what .pl() gives
    return accounts.sort(pl.all())


def _facts(about: dict[str, Any], request: Request, totals: list[dict[str, Any]]) -> dict[str, Any]:
    """The columns that the name and the heading of a file may name."""
    year = max(total["fiscal_year"] for total in totals)
    return {
        **about,
        "profile": request.profile,
        "format": request.format,
        "first_on": request.first_on or min(total["first_entry_date"] for total in totals),
        "last_on": request.last_on or max(total["last_entry_date"] for total in totals),
        "exported_on": request.exported_on,
        "fiscal_year": year,
        "fiscal_year_start": fiscal_year_end(year - 1, about["fiscal_year_start"]) + timedelta(days=1),
        "fiscal_year_end": fiscal_year_end(year, about["fiscal_year_start"]),
        "export_number": request.number,
    }


def fiscal_year_end(year: int, start: str | None) -> date:
    """The last day of the fiscal year that ends in a calendar year; start: its first day, as MM-DD."""
    month, day = (int(part) for part in (start or "01-01").split("-"))
    if (month, day) == (1, 1):
        return date(year, 12, 31)
    if (month, day) == (2, 29):
        # A day that not every year has: the one after 28 February.
        return date(year, 2, 28)
    return date(year, month, day) - timedelta(days=1)


def _shown(totals: list[dict[str, Any]], digits: int) -> list[dict[str, Any]]:
    """The totals as a sheet shows them, the sum below."""
    names = ("journal_code", "fiscal_year", "entries", "lines", "debit", "credit", "first_number", "last_number")
    rows = [{name: total[name] for name in names} for total in totals]
    summed = {name: sum((total[name] for total in totals), type(totals[0][name])(0)) for name in names[2:6]}
    rows.append({**dict.fromkeys(names), "journal_code": "Total", **summed})
    return [{**row, "currency_digits": digits} for row in rows]


def _control_name(request: Request) -> str:
    return safe_name(f"control_{request.number}_{request.legal_entity}_{request.format}.csv")


def _control_sheet(request: Request, figures: Figures, files: list[File], made: Files, currency: str) -> bytes:
    """What an accountant ticks off beside the files: totals by journal, and by account what stayed in the ledger.

    With what each file holds, for lines may have been merged, and by account what rounding has changed.
    """
    places = MINOR_UNITS[currency]
    text = io.StringIO(newline="")
    sheet = csv.writer(text)
    sheet.writerow(
        ["section", "journal", "account", "fiscal_year", "entries", "lines", "debit", "credit", "first", "last"]
    )
    for total in record.by_year(figures.totals):
        counted = [total["entries"], total["lines"], *(f"{total[side]:.{places}f}" for side in _SIDES)]
        numbers = [total["first_number"], total["last_number"]]
        sheet.writerow(["exported", total["journal_code"], "", total["fiscal_year"], *counted, *numbers])
    sums = [f"{sum((total[side] for total in figures.totals), Decimal(0)):.{places}f}" for side in _SIDES]
    sheet.writerow(["total", "", "", "", figures.entries, figures.lines, *sums, "", ""])
    for row in figures.left_out:
        section = row["fate"].replace("_", " ")
        counted = [row["entries"], row["lines"], *(f"{row[side]:.{places}f}" for side in _SIDES)]
        sheet.writerow([section, row["journal"], row["account"], "", *counted, "", ""])
    for account, amount in sorted(made.corrections.by_account.items()):
        if amount:
            sides = [f"{max(amount, Decimal(0)):.4f}", f"{max(-amount, Decimal(0)):.4f}"]
            sheet.writerow(["rounding", "", account, "", "", "", *sides, "", ""])
    for file in files:
        held = made.sums[file.name]
        counted = [held.entries, held.lines, f"{held.debit:.{places}f}", f"{held.credit:.{places}f}"]
        sheet.writerow(["file", file.name, "", "", *counted, file.size, file.sha256])
    if request.as_of_on is not None:
        sheet.writerow(["as of", "", "", "", "", "", "", "", "", request.as_of_on])
    period = [str(day or "") for day in (request.first_on, request.last_on)]
    sheet.writerow(["export", request.profile, request.legal_entity, "", request.number, request.run, "", "", *period])
    return text.getvalue().encode("utf-8")


def _result(
    request: Request,
    figures: Figures,
    files: list[File],
    *,
    number: int | None,
    balances: pl.DataFrame | None = None,
    drill: pl.DataFrame | None = None,
) -> ExportResult:
    return ExportResult(
        number,
        request.run,
        request.profile,
        request.legal_entity,
        figures.entries,
        figures.lines,
        files,
        record.by_year(figures.totals),
        figures.left_out,
        [] if balances is None else balances.to_dicts(),
        [] if drill is None else drill.to_dicts(),
    )
