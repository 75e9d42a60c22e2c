"""One run, from raw tables to the ledger: read this file first.

    read ─▶ stage ─▶ post ─▶ pay ─▶ record ─▶ check ─▶ number ─▶ commit

A run takes one batch of movement tables and the reference tables of the day and adds its entries to the ledger in one
atomic step (spec §1). The steps between reading and committing are in steps.py: functions from tables to tables in one
Session. A batch that memory does not hold is cut by employee and taken part by part (pipeline/partition).
"""

from __future__ import annotations

import hashlib
import json
import socket
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pyarrow as pa

from pipeline.errors import ForbiddenError, RunError, first_line
from pipeline.ledger import chain
from pipeline.ledger.reference import stored_reference
from pipeline.ledger.store import Store
from pipeline.partition import engines
from pipeline.partition.cut import parts_for, room, row_count
from pipeline.partition.taken import take_in_parts
from pipeline.post.post import give_numbers, number_entries, order_entries
from pipeline.record.record import (
    NUMBERED,
    SNAPSHOTS,
    SUMMED,
    UNNUMBERED,
    record_numbered,
    record_sums,
    validate_segments,
)
from pipeline.sql import Session
from pipeline.stage.reference import read_reference
from pipeline.stage.stage import rows_to_stage
from pipeline.steps import NO_EXPORT_ORDERS, attach, compute, rows_recorded, sums_held
from pipeline.tables import RawTable, read_tables
from pipeline.watch import logs
from schemas import MOVEMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from pipeline.ledger.store import Writer
    from pipeline.partition.engines import Engine

#: files of a kind from which on it is worth a note that they can be merged
_MANY_FILES = 200

HERE = Path(__file__).parent
#: what a commit calls the job that it was made for
JOB = "lettrage.job"
#: documents that are named before the rest is only counted
_NAMED = 10


@dataclass(frozen=True)
class RunResult:
    """What a run did, or with preview would do.

    rows: per movement table the counts of spec §3. entries: per legal entity and journal how many, and their amount in
    the entity's currency. payments: per order and legal entity. findings: those that this run made for the first time.
    waiting: how many documents and rows wait in quarantine after it, by rule. chain_digest: over all that the ledger
    was ever told, None for a preview: kept elsewhere, it proves later that nothing was changed. notes: what was read
    and ignored, what was put right.
    """

    run: int
    run_on: date
    is_preview: bool
    batch_digest: str
    rows: list[dict[str, Any]]
    entries: list[dict[str, Any]]
    payments: list[dict[str, Any]]
    findings: list[dict[str, Any]]
    waiting: list[dict[str, Any]]
    chain_digest: str | None = None
    notes: list[str] = field(default_factory=list)


def run(
    reference: Path,
    batch: Path,
    store: Path | str,
    *,
    on: date,
    preview: bool = False,
    threads: int | None = None,
    memory_limit: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
    only_entities: frozenset[str] | None = None,
    job: str | None = None,
    workers: int = 1,
    cluster: str | None = None,
    parts: int | None = None,
) -> RunResult:
    """Takes the batch into the ledger; with `preview` only tells what it would do.

    reference, batch: directories of tables (spec §2). on: the day that the run is said to be made on. threads,
    memory_limit: of each process. only_entities: the legal entities to which the batch may post; what waited in
    quarantine is tried again all the same. job: what asked for the run, which its commit then names. workers: processes
    of this machine that take parts of the run at the same time. cluster: the address of a Dask scheduler whose workers
    do. parts: into how many parts to cut the batch, as many as memory and workers ask for where it is not given; what
    is written does not depend on it. Raises: UsageError for what cannot be read, ForbiddenError for a batch that
    touches another legal entity or goes to quarantine, RunError; the ledger is left untouched then.
    """
    started = datetime.now(UTC)
    progress("read")
    said: list[str] = []
    known = read_reference(reference, said)
    movements = read_tables(batch, MOVEMENTS)
    # One directory may hold both: what is strange in it is told once.
    notes = list(dict.fromkeys([*said, *movements.notes]))
    given = _Given(known, movements.tables, batch, on, threads, memory_limit, progress)
    ledger = Store.open(store, create=True)
    if preview:
        with _memory_suffices(), _session(ledger, given) as session:
            number = ledger.run + 1
            logs.bind(run=number)
            digest = _take_whole(session, ledger, given, number)
            _demand_entities(session, only_entities)
            return _logged(_result(session, number, on, digest, preview=True, notes=notes))
    with chain.writing(ledger) as writer, _memory_suffices():
        number = writer.store.run + 1
        logs.bind(run=number)
        if only_entities is None:
            taking = _taken(writer, given, number, _engine(workers, cluster), parts)
        else:
            taking = _taken_whole(writer, given, number, only_entities)
        with taking as (session, digest):
            # Amounts of parts may fit where their sum does not.
            with sums_held():
                result = _result(session, number, on, digest, preview=False, notes=notes)
            logs.bind(batch_digest=digest)
            _write_reference(session, writer, known, number)
            _write_run_times(writer, number, started)
            metadata = {"lettrage.run": str(number), "lettrage.batch_digest": digest}
            metadata |= {} if job is None else {JOB: job}
            link = chain.commit(writer, session, what="run", run=number, metadata=metadata)
        notes = [*notes, *writer.notes, *_many_files(writer.store)]
        return _logged(replace(result, chain_digest=link, notes=notes))


@dataclass(frozen=True)
class _Given:
    """What a run is given. batch: the movement tables, which lie in `directory`; the rest as of `run`."""

    known: Mapping[str, pl.DataFrame]
    batch: Mapping[str, RawTable]
    directory: Path | None
    on: date
    threads: int | None = None
    memory_limit: str | None = None
    progress: Callable[[str], None] = lambda _: None


@contextmanager
def _taken_whole(
    writer: Writer, given: _Given, number: int, only_entities: frozenset[str] | None = None
) -> Iterator[tuple[Session, str]]:
    """Takes and writes the batch in one session; gives that, with all that `_result` reads, and the batch's digest."""
    with _session(writer.store, given) as session:
        digest = _take_whole(session, writer.store, given, number)
        _demand_entities(session, only_entities)
        given.progress("commit")
        _write(session, writer)
        yield session, digest


@contextmanager
def _taken_in_parts(
    writer: Writer, given: _Given, number: int, engine: Engine, count: int
) -> Iterator[tuple[Session, str]]:
    """As `_taken_whole`, in so many parts or more."""
    with _session(writer.store, given) as session:
        digest = take_in_parts(
            session,
            writer,
            given.known,
            given.batch,
            engine=engine,
            count=count,
            number=number,
            on=given.on,
            memory_limit=given.memory_limit,
            threads=given.threads,
            progress=given.progress,
        )
        given.progress("commit")
        yield session, digest


@contextmanager
def _taken(
    writer: Writer, given: _Given, number: int, engine: AbstractContextManager[Engine], parts: int | None
) -> Iterator[tuple[Session, str]]:
    """As `_taken_whole`; in parts where memory or workers ask for it, and where memory does not hold the batch whole.

    How much the ledger has to do with a batch is known when it is taken.
    """
    with ExitStack() as taken:
        # What takes parts is ended before anything is committed: it has no say in that.
        with engine as takes:
            memory = room(given.memory_limit, takes)
            count = parts or parts_for(row_count(given.batch), memory=memory, workers=takes.workers)
            in_parts = partial(_taken_in_parts, writer, given, number, takes)
            if count > 1:
                found = taken.enter_context(in_parts(count))
            else:
                try:
                    found = taken.enter_context(_taken_whole(writer, given, number))
                except duckdb.OutOfMemoryException:
                    writer.forget()
                    writer.notes.append("memory did not hold the batch as a whole: it was taken in parts")
                    found = taken.enter_context(in_parts(max(2, takes.workers)))
        yield found


def _engine(workers: int, cluster: str | None) -> AbstractContextManager[Engine]:
    if cluster is not None:
        return engines.remote(cluster)
    return engines.local(workers) if workers > 1 else nullcontext(engines.Here())


@contextmanager
def _memory_suffices() -> Iterator[None]:
    """Raises: RunError in place of what DuckDB says where it does not."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise RunError(
            f"memory does not hold what this process has to do of the run ({first_line(error)})",
            where="run",
            mend="give it more, by --memory-limit where that was named (a preview is taken whole); "
            "the ledger is as it was",
        ) from None


def _take_whole(
    session: Session, ledger: Store, given: _Given, number: int, *, export_orders: pl.DataFrame = NO_EXPORT_ORDERS
) -> str:
    """Does everything but the commit, in one session; leaves the record of each stored kind as `record_<kind>`.

    Returns the batch's digest.
    """
    attach(session, ledger)
    staged = rows_to_stage(session, given.batch)
    compute(
        session,
        ledger,
        given.known,
        staged,
        number,
        given.on,
        export_orders=export_orders,
        progress=given.progress,
    )
    # Numbers come last: journals may share a code, and then payments stand between the documents (spec §4).
    given.progress("number")
    order_entries(session)
    give_numbers(session)
    number_entries(session)
    record_numbered(session, number)
    with sums_held():
        return record_sums(session, number, given.on)


def paid_by_export(*, legal_entity: str, created_on: date, on: date) -> Callable[[Writer, str], int | None]:
    """Gives the function that writes the order of an accounting export: see `write_export_order`."""

    def pay(writer: Writer, order: str) -> int | None:
        return write_export_order(writer, order=order, legal_entity=legal_entity, created_on=created_on, on=on)

    return pay


def write_export_order(writer: Writer, *, order: str, legal_entity: str, created_on: date, on: date) -> int | None:
    """Writes the payment order of an accounting export, a run that the export commits (spec §6, `at_export`).

    Its batch is the order alone, its reference what the ledger last saw. Returns the run's number, None where the order
    is in the ledger already: older versions committed it by itself, and their export may have been interrupted then.
    """
    started = datetime.now(UTC)
    with Session(writer.store.place.readable_roots) as session:
        attach(session, writer.store)
        if session.value(
            """
            select count(*) from stored_documents where document_kind = 'payment_order' and document = $order
            """,
            {"order": order},
        ):
            return None
        number = writer.store.run + 1
        rows = pa.table(
            {
                "payment_order": [order],
                "version": ["1"],
                "legal_entity": [legal_entity],
                "status": ["active"],
                "created_on": [created_on.isoformat()],
                "cutoff_on": [created_on.isoformat()],
            }
        )
        batch = {"payment_orders": RawTable.from_arrow("payment_orders", rows)}
        orders = pl.DataFrame({"payment_order": [order]})
        given = _Given(stored_reference(session), batch, None, on)
        _take_whole(session, writer.store, given, number, export_orders=orders)
        _write(session, writer)
        _write_run_times(writer, number, started)
        return number


def _many_files(ledger: Store) -> list[str]:
    """A note where so many small files have come together that readers wait for them to be opened."""
    most = max((len(ledger.segments(kind)) for kind in ledger.kinds()), default=0)
    return [f"the ledger has up to {most} files a table: `lettrage compact` merges them"] if most >= _MANY_FILES else []


def _session(ledger: Store, given: _Given) -> Session:
    directories = [*ledger.place.readable_roots, *([given.directory] if given.directory else [])]
    return Session(directories, threads=given.threads, memory_limit=given.memory_limit)


def _demand_entities(session: Session, only_entities: frozenset[str] | None) -> None:
    """Holds the batch to the legal entities that its sender may post to.

    Raises: ForbiddenError naming the documents; it does not tell whose they are.
    """
    if only_entities is None:
        return
    session.run(HERE / "refused_documents.sql", entities=sorted(only_entities))
    refused = session.query("select * from refused_documents").to_dicts()
    if not refused:
        return
    names = [f"{row['document_kind'].replace('_', ' ')} {row['document'] or 'without a name'}" for row in refused]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    allowed, told = ", ".join(sorted(only_entities)), ", ".join(names[:_NAMED]) + more
    raise ForbiddenError(
        f"not every document is right and of {allowed} alone: {told}",
        where="batch",
        mend="mend these or leave them out, or have somebody post them who may post to every legal entity; "
        "nothing was posted",
    )


def _write(session: Session, writer: Writer) -> None:
    for kind in (*NUMBERED, *UNNUMBERED, *SUMMED):
        if kind in SNAPSHOTS:
            writer.replace(kind)
        writer.write(kind, session.con.sql(rows_recorded(kind)))
        validate_segments(kind, writer.written(kind))


def _write_reference(session: Session, writer: Writer, known: Mapping[str, pl.DataFrame], number: int) -> None:
    """Keeps what the run knew of the company, where it changed: an export needs labels and names years later."""
    before = dict(
        session.con.execute(
            "select table_name, arg_max(digest, run) from stored_reference_digests group by table_name"
        ).fetchall()
    )
    digests = []
    for table in sorted(known):
        rows = known[table].sort(known[table].columns)
        digest = hashlib.sha256(rows.write_csv().encode()).hexdigest()
        if digest == before.get(table):
            continue
        digests.append({"run": number, "table_name": table, "digest": digest})
        session.register("reference_rows", rows)
        writer.write(
            "reference",
            session.con.sql(
                f"select {number}::bigint as run, '{table}' as table_name, "
                "to_json(reference_rows)::varchar as row_json "
                "from reference_rows order by row_json"
            ),
        )
    if digests:
        writer.write("reference_digests", pl.DataFrame(digests, schema_overrides={"run": pl.Int64}))


def _write_run_times(writer: Writer, number: int, started: datetime) -> None:
    writer.write(
        "run_times",
        pl.DataFrame(
            {
                "run": [number],
                "started_at": [started.replace(tzinfo=None)],
                "finished_at": [datetime.now(UTC).replace(tzinfo=None)],
                "host": [socket.gethostname()],
                "software_version": [version("lettrage")],
            },
            schema_overrides={"run": pl.Int64, "started_at": pl.Datetime("us"), "finished_at": pl.Datetime("us")},
        ),
    )


def _result(session: Session, number: int, on: date, digest: str, *, preview: bool, notes: list[str]) -> RunResult:
    def rows(query: str) -> list[dict[str, Any]]:
        return session.query(query).to_dicts()

    return RunResult(
        run=number,
        run_on=on,
        is_preview=preview,
        batch_digest=digest,
        rows=rows("select * exclude (run, run_on, batch_digest) from record_runs order by table_name"),
        entries=rows(
            """
            select legal_entity, journal, any_value(currency) as currency, sum(entries)::bigint as entries,
                sum(lines)::bigint as lines, sum(amount)::decimal(18, 4) as amount
            from entry_sums group by legal_entity, journal order by legal_entity, journal
            """
        ),
        payments=rows(
            """
            select payment_order, legal_entity, status, count(*) as payments, sum(amount)::decimal(18, 4) as amount
            from record_payments group by payment_order, legal_entity, status order by payment_order, status
            """
        ),
        findings=rows(
            f"""
            select table_name, document, version, row_key, rule, column_name, value, message
            from (select * from record_findings union all by name select * from record_quarantine)
            where first_run = {number}
            order by table_name, document, version, row_key, rule, column_name, message
            """
        ),
        waiting=rows(
            """
            select rule, count(*) as findings, count(distinct (table_name, document)) as documents
            from record_findings group by rule order by rule
            """
        ),
        notes=notes,
    )


def _logged(result: RunResult) -> RunResult:
    """Tells what a run did as an event: counts, and no cell of any document."""
    log = logs.log(batch_digest=result.batch_digest)
    counts = {name: sum(row[name] for row in result.rows) for name in ("rows_in", "posted", "unchanged", "quarantined")}
    log.info(
        "previewed" if result.is_preview else "committed",
        **counts,
        entries=sum(row["entries"] for row in result.entries),
        payments=sum(row["payments"] for row in result.payments),
        chain_digest=result.chain_digest,
    )
    if result.findings:
        rules: dict[str, int] = {}
        for row in result.findings:
            rules[row["rule"]] = rules.get(row["rule"], 0) + 1
        log.warning("quarantined", findings=len(result.findings), rules=rules)
    for note in result.notes:
        log.info("note", text=note)
    return result


def as_json(result: RunResult) -> str:
    """The result for machines: amounts as text, so that no reader makes floats of them."""
    return json.dumps(result.__dict__, default=str, ensure_ascii=False, indent=2)
