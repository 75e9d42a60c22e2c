"""What a run adds to the ledger: a table `record_<kind>` a kind of the store (schemas/store.py says their columns)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pyarrow.parquet as pq

from pipeline.ledger.store import ROW_GROUP
from pipeline.sql import identifier
from pipeline.stage.stage import ALL_TABLES, row_key, waiting_rows
from schemas import STORED
from schemas.table import validate

if TYPE_CHECKING:
    from datetime import date

    from pipeline.sql import Session
    from pipeline.stage.stage import Movement

HERE = Path(__file__).parent

#: kinds that a run replaces as a whole; all others it adds to
SNAPSHOTS = ("waiting",)

#: kinds whose rows hold no number of an entry of the run
_UNNUMBERED_FILES = (
    "documents",
    "payment_returns",
    "letterings",
    "deletterings",
    "employee_state",
    "expense_entities",
    "order_accounts",
)
UNNUMBERED = (*_UNNUMBERED_FILES, "findings", "quarantine", "waiting")
#: kinds whose rows do
_NUMBERED_FILES = ("payments", "lettering_lines", "open_lines")
NUMBERED = ("entry_lines", *_NUMBERED_FILES)
#: kinds of which a part of a run knows its share alone
SUMMED = ("balances", "runs", "series")
#: what those are made of
SHARES = ("account_sums", "entry_sums", "row_counts", "row_sums")

#: how many rows are checked against their model at a time, so that memory stays bounded
_SLICE = 2 * ROW_GROUP


def record(session: Session, number: int, on: date) -> None:
    """Makes record_<kind>, sorted by key, for every kind of UNNUMBERED, and the tables of SHARES."""
    session.run(HERE / "document_entities.sql")
    session.run(HERE / "row_outcomes.sql")
    quarantined = session.query("select distinct table_name from row_outcomes where outcome = 'quarantined'")
    waiting = [one for one in ALL_TABLES if one.table in set(quarantined["table_name"])] or ALL_TABLES[:1]
    # Each key once, whatever number of rows has it: each finding stays open once.
    session.create("waiting_keys", " union ".join(_waiting_keys(movement) for movement in waiting))
    session.run(HERE / "findings_made.sql")
    session.run(HERE / "findings_after.sql", run=number)
    for kind in _UNNUMBERED_FILES:
        session.run(HERE / f"{kind}.sql", f"record_{kind}", run=number, run_on=on)
    for kind, resolved in (("findings", "null"), ("quarantine", "not null")):
        session.create(
            f"record_{kind}",
            f"""
            select {number}::bigint as run, table_name, document, version, row_key, rule, column_name, value, message,
                first_run, last_run, resolved_run, legal_entity, employee, fate
            from findings_after where resolved_run is {resolved}
            order by table_name, document, version, row_key, rule, column_name, value, message, first_run
            """,
        )
    rows = " union all ".join(
        waiting_rows(
            movement,
            f"select row_id, waiting_fate as fate from row_outcomes "
            f"where table_name = '{movement.table}' and outcome = 'quarantined'",
        )
        for movement in waiting
    )
    session.create("record_waiting", f"select {number}::bigint as run, * from ({rows})")
    for share in SHARES:
        session.run(HERE / f"{share}.sql")


def record_numbered(session: Session, number: int) -> None:
    """Makes record_<kind>, sorted by key, for every kind of NUMBERED; reads numbered_entries and what `pay` leaves."""
    session.run(HERE / "entry_keys.sql")
    for kind in _NUMBERED_FILES:
        session.run(HERE / f"{kind}.sql", f"record_{kind}", run=number)
    _record_entry_lines(session, number)


def record_sums(session: Session, number: int, on: date) -> str:
    """Makes record_<kind> for every kind of SUMMED of the tables of SHARES and of entry_numbers.

    Returns the digest of the batch's rows: the same in whatever order, kind of file or number of parts they come.
    """
    sums = session.query(
        """
        select table_name, sum(row_count)::bigint as rows, sum(said::hugeint)::varchar as said,
            coalesce(sum(versions::hugeint)::varchar, '') as versions
        from row_sums group by table_name order by table_name
        """
    )
    digest = hashlib.sha256(sums.write_csv().encode()).hexdigest()
    for kind in SUMMED:
        session.run(HERE / f"{kind}.sql", f"record_{kind}", run=number, run_on=on, batch_digest=digest)
    return digest


def validate_segments(kind: str, segments: list[str]) -> None:
    """Holds what was written of a kind to its model, a slice at a time, before it is committed.

    Raises: InvariantError naming the table and the column.
    """
    for segment in segments:
        rows = pl.scan_parquet(segment, glob=False, hive_partitioning=False)
        for start in range(0, pq.read_metadata(segment).num_rows, _SLICE):
            validate(rows.slice(start, _SLICE).collect(), STORED[kind])


_SECTION_FIELDS = """
    select unnest(regexp_extract_all(data_type, '"?([a-z][a-z0-9_]*)"? VARCHAR', 1))
    from (select column_type as data_type from (describe sections_of_combinations) where column_name = 'sections')
"""


def _record_entry_lines(session: Session, number: int) -> None:
    """Makes record_entry_lines: an `axis_<axis>` column for each axis that a line of this run bears."""
    known = [str(name) for (name,) in session.con.execute(_SECTION_FIELDS).fetchall()]
    counts = ", ".join(f"count(sections.{identifier(axis)}) > 0" for axis in known)
    used = "semi join lines on sections_of_combinations.combination = lines.combination"
    is_borne = session.con.execute(f"select {counts} from sections_of_combinations {used}").fetchall()[0]
    axes = [axis for axis, borne in zip(known, is_borne, strict=True) if borne]
    bearing = ", ".join(f"sections.{identifier(axis)} as {identifier(axis)}" for axis in axes)
    session.view(
        "record_entry_lines",
        f"""
        select {number}::bigint as run, * exclude (sections){", " if bearing else ""}{bearing} from new_entry_lines
        order by legal_entity, journal_code, fiscal_year, entry_number, line_number
        """,
    )


def _waiting_keys(movement: Movement) -> str:
    version = "staged.version" if movement.has_version else "null::integer"
    return f"""
        select distinct '{movement.table}' as table_name,
            staged.{identifier(movement.document)} as document, {version} as version,
            {row_key(movement)} as row_key, outcomes.waiting_fate as fate
        from staged_{movement.table} as staged
        inner join row_outcomes as outcomes
            on outcomes.table_name = '{movement.table}' and outcomes.row_id = staged.row_id
        where outcomes.outcome = 'quarantined' and outcomes.waiting_fate in ('orphan', 'alone')
            and outcomes.origin <> 'batch'
    """
