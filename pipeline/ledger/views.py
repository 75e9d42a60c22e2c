"""The ledger as SQL views over its own Parquet files, for DuckDB and the tools that have it inside (docs/analysts.md).

Nothing of the ledger is copied: the views name the segments that the log names now. A segment that is replaced stays
on the disk for a while (store.py, `GRACE`), so what is written here is a sight of one moment, made anew after each run.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from pipeline.errors import UsageError
from pipeline.ledger.as_of import NOW
from pipeline.ledger.reading import TABLES, ledger_session, output_columns, output_query, stored_queries
from pipeline.ledger.store import GRACE
from pipeline.sql import Session, identifier
from schemas import LEDGER, STORED
from schemas.table import columns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from pipeline.ledger.as_of import AsOf
    from pipeline.ledger.store import Store

#: the schema of the views of the stored kinds; the tables of spec §7 are in `main`
SCHEMA = "stored"
_MADE_BY = "lettrage views"
#: how a file of ours begins; one that begins otherwise is somebody's, and is not written over
_FIRST_LINE = f"-- Written by `{_MADE_BY}`"
#: the oldest layout of a database file that DuckDB still writes: BI tools bring versions of their own
_LAYOUT = "v1.0.0"
#: the tables of a database file while it is written: `main` alone would be taken for the session's own
_WRITTEN = "written.main"
#: how a file is called until it is whole, and after how many seconds one is taken for what a killed command left
_UNFINISHED = ".writing"
_GIVEN_UP = 3600.0
_STORED_NAME = re.compile(r"\bstored_([a-z_]+)\b")
_OTHERS = "name another file, or remove this one first"


def write_sql(store: Store, out: Path, *, at: datetime, as_of: AsOf = NOW) -> list[str]:
    """Writes a .sql file that makes the views in any DuckDB; returns the names of the tables.

    at: when it is written, UTC. The file appears whole, in place of one that this command wrote before. Raises:
    UsageError where the ledger has no such run or the file is another, StoreError where a segment is not what was
    written.
    """
    if out.exists() and not _begins_as_ours(out):
        raise UsageError(f"this file was not written by `{_MADE_BY}`", where=str(out), mend=_OTHERS)
    with ledger_session(store, as_of=as_of) as session:
        statements = _statements(session, store, as_of, at)
    out.resolve().parent.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(f"{statement};" for statement in statements)
    with _written_whole(out) as beside:
        beside.write_text(f"{_head(store, as_of, at)}\n{text}\n", encoding="utf-8")
    return list(LEDGER)


def write_database(store: Store, out: Path, *, at: datetime, as_of: AsOf = NOW, copy: bool = False) -> list[str]:
    """Writes a DuckDB file that holds the views and nothing else, or with `copy` the tables themselves.

    at, Raises, and how it appears: as `write_sql`. A program that has the old file open goes on reading that.
    """
    folder = out.resolve().parent
    if "?" in str(out.resolve()):  # what comes after it DuckDB takes for options
        raise UsageError(
            "DuckDB writes no database under a path with ? in it", where=str(out), mend="name another file"
        )
    if out.exists():
        _refuse_others(out, folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _written_whole(out) as beside, ledger_session(store, as_of=as_of, folders=[folder]) as session:
        con = session.con
        con.execute(f"attach {_text(beside.resolve())} as written (storage_version {_text(_LAYOUT)})")
        if copy:
            for table in LEDGER:
                con.execute(f"create table written.{identifier(table)} as {output_query(session, table)}")
            statements = [_about(store, as_of, at, what="table"), *_comments(session, _WRITTEN, what="table")]
        else:
            statements = _statements(session, store, as_of, at, comments_on=_WRITTEN)
        con.execute("use written")
        for statement in statements:
            con.execute(statement)
        con.execute("use memory")
        con.execute("detach written")
    return list(LEDGER)


def _statements(session: Session, store: Store, as_of: AsOf, at: datetime, *, comments_on: str = "main") -> list[str]:
    """What makes the views: those of the stored kinds, then the tables that are made of them."""
    kinds = [
        f"create or replace view {SCHEMA}.{identifier(kind)} as\n{rows}"
        for kind, rows in stored_queries(store, as_of).items()
    ]
    tables = [f"create or replace view main.{identifier(table)} as\n{_query(session, table)}" for table in LEDGER]
    return [
        f"create schema if not exists {SCHEMA}",
        *kinds,
        *tables,
        _about(store, as_of, at, what="view"),
        *_comments(session, comments_on, what="view"),
    ]


def _query(session: Session, table: str) -> str:
    """The query of a table of spec §7, over the views of `stored` in place of a session's `stored_<kind>`."""
    made = (TABLES / f"{table}.sql").read_text(encoding="utf-8").strip()
    read = sorted({kind for kind in _STORED_NAME.findall(made) if kind in STORED})
    named = ",\n".join(f"stored_{kind} as (select * from {SCHEMA}.{identifier(kind)})" for kind in read)
    selected = ", ".join(identifier(name) for name in output_columns(session, table))
    return f"with\n{named}\n\nselect {selected} from (\n{made}\n)"


def _about(store: Store, as_of: AsOf, at: datetime, *, what: str) -> str:
    """What makes `about`, of one row: which ledger this is, of which run, and when it was looked at."""
    return (
        f"create or replace {what} main.about as\n"
        f"select {_text(store.place)} as store, {as_of.run_of(store)}::bigint as run, "
        f"timestamp {_text(f'{at:%Y-%m-%d %H:%M:%S}')} as made_at, {_text(_MADE_BY)} as made_by"
    )


def _comments(session: Session, schema: str, *, what: str) -> list[str]:
    """What tells a tool the meaning of the tables and columns of a schema, in the words of their models."""
    said = []
    for table, model in LEDGER.items():
        name = f"{schema}.{identifier(table)}"
        said.append(f"comment on {what} {name} is {_text((model.__doc__ or '').strip().splitlines()[0])}")
        described = {column.name: column.description for column in columns(model)}
        said += [
            f"comment on column {name}.{identifier(column)} is {_text(described[column])}"
            for column in output_columns(session, table)
            if column in described
        ]
    return said


def _head(store: Store, as_of: AsOf, at: datetime) -> str:
    where = " ".join(str(store.place).splitlines())
    return f"""\
{_FIRST_LINE}: the tables of a ledger, as views over its Parquet files.
-- The ledger {where}, as of run {as_of.run_of(store)}, looked at on {at:%Y-%m-%d} at {at:%H:%M:%S} UTC.
-- Make it anew after each run: what is posted later is not in these files, and files that a run or
-- `lettrage compact` has replaced are cleared away {GRACE / 60:.0f} minutes after that.
"""


def _begins_as_ours(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_FIRST_LINE)) == _FIRST_LINE.encode()


def _refuse_others(out: Path, folder: Path) -> None:
    """Raises: UsageError where a file is no database of this command's, or cannot be looked into."""
    with Session([folder]) as session:
        try:
            session.con.execute(f"attach {_text(out.resolve())} as other (read_only)")
            is_ours = session.value("select made_by from other.main.about") == _MADE_BY
        except duckdb.IOException as error:
            if "Could not set lock" not in str(error):
                is_ours = False
            else:
                raise UsageError(
                    "another program has this file open for writing",
                    where=str(out),
                    mend="open it read-only there (docs/analysts.md), or name another file",
                ) from None
        except duckdb.Error:
            is_ours = False
    if not is_ours:
        raise UsageError(f"this file was not written by `{_MADE_BY}`", where=str(out), mend=_OTHERS)


@contextmanager
def _written_whole(out: Path) -> Iterator[Path]:
    """A path beside `out` that takes its place once it is written and on the disk; nobody else writes to it."""
    stem = f".{out.name}."
    for left in out.parent.iterdir():
        if left.name.startswith(stem) and _UNFINISHED in left.name and left.stat().st_mtime < time.time() - _GIVEN_UP:
            left.unlink(missing_ok=True)
    beside = out.with_name(f"{stem}{uuid.uuid4().hex}{_UNFINISHED}")
    try:
        yield beside
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        # Changes that somebody made to the old database: DuckDB would take them for the new one's.
        _log_of(out).unlink(missing_ok=True)
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
        _log_of(beside).unlink(missing_ok=True)


def _log_of(database: Path) -> Path:
    """Where DuckDB keeps what it has not written into a database file yet."""
    return database.with_name(f"{database.name}.wal")


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
