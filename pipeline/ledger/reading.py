"""The ledger as tables: the stored kinds as views, and the tables of spec §7 made of them, as of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.sql import Session, identifier
from schemas import LEDGER, STORED
from schemas.table import columns, key

if TYPE_CHECKING:
    from pipeline.ledger.store import Store

TABLES = Path(__file__).parent / "tables"


def attach_stored(session: Session, store: Store, run: int | None = None) -> None:
    """Makes a view `stored_<kind>` of every kind of the store, of the rows of runs up to `run` where it is given.

    A kind without segments is an empty table with the columns of its model; a column that a segment lacks is null.
    """
    for kind, model in STORED.items():
        nulls = ", ".join(f"null::{column.duckdb_type} as {identifier(column.name)}" for column in columns(model))
        empty = f"select {nulls} where false"
        files = store.files(kind)
        if not files:
            session.create(f"stored_{kind}", empty)
            continue
        names = ", ".join("'" + str(path).replace("'", "''") + "'" for path in files)
        rows = f"select * from read_parquet([{names}], union_by_name = true, hive_partitioning = false)"
        has_run = any(column.name == "run" for column in columns(model))
        upto = f" where run <= {int(run)}" if run is not None and has_run else ""
        session.view(f"stored_{kind}", f"{empty} union all by name {rows}{upto}")


def ledger_session(
    store: Store, *, run: int | None = None, memory_limit: str | None = None, threads: int | None = None
) -> Session:
    """Opens a Session in which every table of spec §7 is a view of that name, as of `run` or of today.

    The caller closes it. Nothing is read before a view is.
    """
    session = Session([store.root], memory_limit=memory_limit, threads=threads)
    try:
        attach_stored(session, store, run)
        for path in sorted(TABLES.glob("*.sql")):
            session.view(path.stem, path.read_text(encoding="utf-8"))
    except BaseException:
        session.close()
        raise
    return session


def output_query(session: Session, table: str) -> str:
    """The query that gives a table of spec §7 with its columns in their order and its rows by key.

    entry_lines gets a column for each axis that a line ever bore, between label and lettering.
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
    """The `axis_<axis>` columns of the entry lines, by name."""
    present = [name for (name, *_) in session.con.execute("describe stored_entry_lines").fetchall()]
    return sorted(name for name in present if name.startswith("axis_"))


def _order(table: str) -> tuple[str, ...]:
    if table == "quarantine":  # two findings of a row may differ in what they say alone
        return (*key(LEDGER[table]), "value", "message", "first_run")
    return key(LEDGER[table])
