"""The ledger as tables: the stored kinds as views, and the tables of spec §7 made of them, as of a run and of a day."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.ledger.as_of import NOW
from pipeline.sql import Session, files_read, identifier
from schemas import LEDGER, STORED
from schemas.table import columns, key

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

    from pipeline.ledger.as_of import AsOf
    from pipeline.ledger.store import Store

TABLES = Path(__file__).parent / "tables"
ON_DATE = Path(__file__).parent / "on_date"

#: kinds of which a day tells other rows, by the files of on_date/, in the order in which they read one another
_DATED = (
    "entry_lines",
    "letterings",
    "deletterings",
    "lettering_lines",
    "payments",
    "balances",
    "employee_state",
    "open_lines",
    "series",
)
#: written whole by every run: the rows of one run alone belong together
_OF_ONE_RUN = "findings"
#: their run is the one that an export read; whether it took an entry does not depend on what is asked for
_OF_NO_RUN = "exports"


def attach_stored(session: Session, store: Store, as_of: AsOf = NOW, *, kinds: Iterable[str] | None = None) -> None:
    """Makes a view `stored_<kind>` of every kind of the store, as of a run and, where one is given, of a day.

    As of a run: the rows of runs up to it. Of a day: what the files of on_date/ select of these, `recorded_<kind>`,
    by the variable as_of_date; without one they are not read. A kind without segments is an empty table with the
    columns of its model; a column that a segment lacks is null. kinds: those that may be read, all where they are not
    given; a query that reads another one fails. Raises: UsageError where the ledger has no such run.
    """
    dated = () if as_of.on is None else _DATED
    for kind, rows in stored_queries(store, as_of, kinds=kinds).items():
        session.view(f"recorded_{kind}" if kind in dated else f"stored_{kind}", rows)
    if dated:
        session.con.execute("set variable as_of_date = $day", {"day": as_of.on})
    for kind in dated:
        session.view(f"stored_{kind}", (ON_DATE / f"{kind}.sql").read_text(encoding="utf-8"))


def stored_queries(store: Store, as_of: AsOf = NOW, *, kinds: Iterable[str] | None = None) -> dict[str, str]:
    """The query of each kind's rows as of a run, whatever the day: see `attach_stored`.

    Raises: UsageError where the ledger has no such run.
    """
    run = as_of.run_of(store)
    may_be_read = set(STORED if kinds is None else kinds)
    queries = {}
    for kind in STORED:
        if kind not in may_be_read:
            rows = f"{rows_of_files(kind, [])} or error('{kind} is not read: it was not held to its digests') is null"
        elif kind == _OF_ONE_RUN:
            rows = stored_rows(store, kind, first=run, last=run)
        elif run < store.run and kind != _OF_NO_RUN:
            rows = stored_rows(store, kind, last=run)
        else:
            rows = stored_rows(store, kind)
        queries[kind] = rows
    return queries


def attach_runs(session: Session, store: Store, kind: str, runs: Iterable[int]) -> None:
    """Makes the view `stored_<kind>` of the segments that hold rows of runs, once they are held to their digests.

    Rows of other runs come along. Raises: StoreError naming a segment that is not what was written.
    """
    segments = store.segments_of(kind, runs)
    store.verify_segments(segments)
    session.view(f"stored_{kind}", rows_of_files(kind, [store.place.at(segment.name) for segment in segments]))


def stored_rows(store: Store, kind: str, *, first: int | None = None, last: int | None = None) -> str:
    """The query that gives the rows of a kind of the runs from `first` to `last`, with the columns of its model.

    Of a kind whose rows bear no run it gives all. A column that a segment lacks is null; so are all of a kind without
    segments, which has no rows. Segments of other runs are not opened.
    """
    has_run = any(column.name == "run" for column in columns(STORED[kind]))
    files = store.files(kind, first=first or 0, last=last) if has_run else store.files(kind)
    rows = rows_of_files(kind, files)
    if not files:
        return rows
    limits = [f"run >= {int(first)}"] if first is not None and has_run else []
    limits += [f"run <= {int(last)}"] if last is not None and has_run else []
    return rows + (f" where {' and '.join(limits)}" if limits else "")


def stored_frame(store: Store, kind: str) -> pl.DataFrame:
    """Every row of a kind that no SQL is needed for, with the columns of its model, once its files are held to digests.

    What was validated when it was written is not validated again; a column that an older version did not write is null.
    """
    import polars as pl  # noqa: PLC0415 - a command that reads no frame does without

    schema = {column.name: column.polars_type for column in columns(STORED[kind])}
    store.verify([kind])
    files = store.files(kind)
    if not files:
        return pl.DataFrame(schema=schema)
    rows = pl.scan_parquet(
        files, schema=schema, missing_columns="insert", extra_columns="ignore", hive_partitioning=False, glob=False
    )
    return rows.collect()


def rows_of_files(kind: str, files: list[str]) -> str:
    """The query that gives the rows of segments of a kind, with the columns of its model and those that a file adds."""
    nulls = ", ".join(f"null::{column.duckdb_type} as {identifier(column.name)}" for column in columns(STORED[kind]))
    empty = f"select {nulls} where false"
    if not files:
        return empty
    rows = f"select * from read_parquet({files_read(files)}, union_by_name = true, hive_partitioning = false)"
    return f"{empty} union all by name {rows}"


def ledger_session(
    store: Store,
    *,
    as_of: AsOf = NOW,
    kinds: Iterable[str] | None = None,
    is_verified: bool = False,
    folders: Iterable[Path] = (),
    memory_limit: str | None = None,
    threads: int | None = None,
) -> Session:
    """Opens a Session in which every table of spec §7 is a view of that name, as of a run and of a day, or of now.

    kinds: the stored kinds that will be read, all where they are not given: their segments are held to their digests
    first, unless is_verified says that they were. folders: what else its SQL may read and write. The caller closes the
    session. Raises: UsageError where the ledger has no such run, StoreError naming a segment that is not what was
    written.
    """
    read = None if kinds is None else list(kinds)
    if not is_verified:
        store.verify(read)
    session = Session([*store.place.readable_roots, *folders], memory_limit=memory_limit, threads=threads)
    try:
        attach_stored(session, store, as_of, kinds=read)
        for path in sorted(TABLES.glob("*.sql")):
            session.view(path.stem, path.read_text(encoding="utf-8"))
    except BaseException:
        session.close()
        raise
    return session


def demand_entity(session: Session, entity: str | None) -> None:
    """Raises: UsageError where the ledger knows no such legal entity: an empty answer would say that nothing is there.

    session: with the views of the ledger. entity: None where no one is asked for.
    """
    if entity is None:
        return
    known = session.query(
        """
        select distinct json_extract_string(row_json, '$.legal_entity') as legal_entity
        from stored_reference where table_name = 'legal_entities' order by legal_entity
        """
    )["legal_entity"].to_list()
    if entity not in known:
        raise UsageError(f"the ledger knows no legal entity {entity}", mend=f"it knows {', '.join(known) or 'none'}")


def output_query(session: Session, table: str) -> str:
    """The query that gives a table of spec §7 with its columns in their order and its rows by key.

    entry_lines gets a column for each axis that a line bears, between label and lettering.
    """
    selected = ", ".join(identifier(name) for name in output_columns(session, table))
    order = ", ".join(f"{identifier(name)} nulls first" for name in _order(table))
    return f"select {selected} from {identifier(table)} order by {order}"


def output_columns(session: Session, table: str) -> list[str]:
    """The columns of a table of spec §7 in their order, the axes among those of entry_lines."""
    names = [column.name for column in columns(LEDGER[table])]
    if table == "entry_lines":
        place = names.index("lettering")
        names[place:place] = axes(session)
    return names


def axes(session: Session) -> list[str]:
    """The `axis_<axis>` columns that an entry line bears, by name: the session's lines, not those that came later."""
    described = session.con.execute("describe stored_entry_lines").fetchall()
    present = sorted(name for (name, *_) in described if name.startswith("axis_"))
    if not present:
        return []
    counts = ", ".join(f"count({identifier(name)}) > 0 as {identifier(name)}" for name in present)
    borne = session.query(f"select {counts} from stored_entry_lines").row(0, named=True)
    return [name for name in present if borne[name]]


def _order(table: str) -> tuple[str, ...]:
    if table == "quarantine":  # two findings of a row may differ in what they say alone
        return (*key(LEDGER[table]), "value", "message", "first_run")
    return key(LEDGER[table])
