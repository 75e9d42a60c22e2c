"""The ledger as tables: the stored kinds as views, and the tables of spec §7 made of them, as of a run and of a day."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.ledger.as_of import NOW
from pipeline.sql import Session, identifier
from schemas import LEDGER, STORED
from schemas.table import columns, key

if TYPE_CHECKING:
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


def attach_stored(session: Session, store: Store, as_of: AsOf = NOW) -> None:
    """Makes a view `stored_<kind>` of every kind of the store, as of a run and, where one is given, of a day.

    As of a run: the rows of runs up to it. Of a day: what the files of on_date/ select of these, `recorded_<kind>`,
    by the variable as_of_date; without one they are not read. A kind without segments is an empty table with the
    columns of its model; a column that a segment lacks is null. Raises: UsageError where the ledger has no such run.
    """
    run = as_of.run_of(store)
    dated = () if as_of.on is None else _DATED
    for kind, model in STORED.items():
        name = f"recorded_{kind}" if kind in dated else f"stored_{kind}"
        nulls = ", ".join(f"null::{column.duckdb_type} as {identifier(column.name)}" for column in columns(model))
        empty = f"select {nulls} where false"
        files = store.files(kind)
        if not files:
            session.create(name, empty)
            continue
        names = ", ".join("'" + str(path).replace("'", "''") + "'" for path in files)
        rows = f"select * from read_parquet([{names}], union_by_name = true, hive_partitioning = false)"
        has_run = any(column.name == "run" for column in columns(model))
        of_runs = ""
        if kind == _OF_ONE_RUN:
            of_runs = f" where run = {int(run)}"
        elif has_run and run < store.run and kind != _OF_NO_RUN:
            of_runs = f" where run <= {int(run)}"
        session.view(name, f"{empty} union all by name {rows}{of_runs}")
    if dated:
        session.con.execute("set variable as_of_date = $day", {"day": as_of.on})
    for kind in dated:
        session.view(f"stored_{kind}", (ON_DATE / f"{kind}.sql").read_text(encoding="utf-8"))


def ledger_session(
    store: Store, *, as_of: AsOf = NOW, memory_limit: str | None = None, threads: int | None = None
) -> Session:
    """Opens a Session in which every table of spec §7 is a view of that name, as of a run and of a day, or of now.

    The caller closes it. Nothing is read before a view is. Raises: UsageError where the ledger has no such run.
    """
    session = Session([store.root], memory_limit=memory_limit, threads=threads)
    try:
        attach_stored(session, store, as_of)
        for path in sorted(TABLES.glob("*.sql")):
            session.view(path.stem, path.read_text(encoding="utf-8"))
    except BaseException:
        session.close()
        raise
    return session


def output_query(session: Session, table: str) -> str:
    """The query that gives a table of spec §7 with its columns in their order and its rows by key.

    entry_lines gets a column for each axis that a line bears, between label and lettering.
    """
    model = LEDGER[table]
    names = [column.name for column in columns(model)]
    if table == "entry_lines":
        place = names.index("lettering")
        names[place:place] = axes(session)
    selected = ", ".join(identifier(name) for name in names)
    order = ", ".join(f"{identifier(name)} nulls first" for name in _order(table))
    return f"select {selected} from {identifier(table)} order by {order}"


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
