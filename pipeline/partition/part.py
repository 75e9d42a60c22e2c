"""A part of a run: the documents and accounts of some of the employees, in a process of this machine or another.

Everything a part needs is in the store's place, everything it makes is written there under names that no version of the
log knows; what goes to and fro are those names. So a part can be taken twice, or begun and never finished: what is
committed is what the run's one writer was told first (engines: at least once, the store: once).
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from pipeline.errors import StoreError, UsageError
from pipeline.ledger.place import place_of
from pipeline.ledger.store import Store, Written, came_in_between, write_segment
from pipeline.partition.engines import worker_directory
from pipeline.post.post import number_entries, order_entries
from pipeline.record.record import NUMBERED, SHARES, UNNUMBERED, record_numbered, validate_segments
from pipeline.sql import Session, files_read, identifier
from pipeline.steps import attach, compute, rows_recorded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date
    from pathlib import Path

    from pipeline.ledger.place import Place

#: where the files are that parts hand on to one another; the store's sweep takes what a killed run left there
FOLDER = "kind=_work"
#: what a part keeps until its entries have their numbers
_KEPT = (
    "entries",
    "lines",
    "sections_of_combinations",
    "old_entries",
    "open_lines",
    "stored_open",
    "new_members",
    "payments_now",
)
#: what the run needs of a part before it can number
_TOLD = ("entries_to_number", *SHARES)
#: what all parts judge, and part 0 alone records: the rows of orders
_OF_ALL = "('payment_orders', 'payment_exclusions')"
_RECORDED_ONCE = {
    "documents": "document_kind <> 'payment_order'",
    "order_accounts": "false",
    "findings": f"table_name not in {_OF_ALL} or fate = 'left_out'",
    "quarantine": f"table_name not in {_OF_ALL} or fate = 'left_out'",
    "waiting": f"table_name not in {_OF_ALL}",
    "row_counts": f"table_name not in {_OF_ALL}",
    "row_sums": f"table_name not in {_OF_ALL}",
}


@dataclass(frozen=True)
class Piece:
    """A file of FOLDER. digest: SHA-256 of its content."""

    name: str
    digest: str


Pieces = dict[str, list[Piece]]


@dataclass(frozen=True)
class Part:
    """What there is to know of a part. Travels between processes.

    part: its number, of `count`. store: the address of the ledger. ledger_version: the one that the run is made on.
    rows: the pieces of each movement table's rows. findings: of stored_findings. reference: of each reference table.
    gathered: of gathered_employees. size: of its pieces, in bytes. software: the versions that cut it, which every
    worker must have. memory_limit, threads: of its session.
    """

    part: int
    count: int
    store: str
    ledger_version: int
    run: int
    on: date
    rows: Pieces
    findings: list[Piece]
    reference: Pieces
    gathered: list[Piece]
    size: int
    software: str
    memory_limit: str | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Posted:
    """What a part has posted. written: its segments. kept: what `number_part` asks for. told: what the run asks for."""

    part: Part
    written: list[tuple[str, Written]]
    kept: Pieces
    told: Pieces


@dataclass(frozen=True)
class ToNumber:
    """A part that was posted, with the pieces that hold the numbers of its entries."""

    part: Part
    kept: Pieces
    numbers: list[Piece] = field(default_factory=list)


def software() -> str:
    """What decides on the rows that a part writes: another version may write others."""
    return ", ".join(f"{name} {version(name)}" for name in ("lettrage", "duckdb", "polars", "pyarrow", "deltalake"))


def macros(count: int, *, has_gathered: bool) -> list[str]:
    """The statements that make the macros employee_part and document_part: of which of `count` parts something is.

    has_gathered: whether there is a table gathered_employees, of those who are of part 0.
    """
    # Qualified, lest the macro's own parameter is meant.
    gathered = " or employee in (select gathered_employees.employee from gathered_employees)" if has_gathered else ""
    first = f"employee is null{gathered}"
    return [
        f"create or replace temp macro {name}({name[:-5]}) as "
        f"(case when {is_first} then 0 else (md5_lower({name[:-5]}) % {count})::integer end)"
        for name, is_first in (("employee_part", first), ("document_part", "document is null"))
    ]


def post_part(part: Part) -> Posted:
    """Takes every step before the numbering with a part.

    Raises: as `compute`, UsageError as `number_part`, StoreError also where this process sees an older version of the
    ledger than the run's writer, StoreBusyError where it sees a newer one.
    """
    place = place_of(part.store)
    with _session(place, part) as session:
        ledger = Store.at(place, create=True)
        if ledger.version > part.ledger_version:
            raise came_in_between(place, f"version {part.ledger_version} was read, now there is {ledger.version}")
        if ledger.version < part.ledger_version:
            raise StoreError(
                f"version {ledger.version} of this ledger is seen where a part of the run is taken, and the run is "
                f"made on {part.ledger_version}",
                where=str(place),
                mend="every worker must see the store as it is, at once; then give the command again",
            )
        place.prune()
        attach(session, ledger)
        _view(session, place, "stored_findings", part.findings)
        if part.gathered:
            _view(session, place, "gathered_employees", part.gathered)
        statements = [
            *macros(part.count, has_gathered=bool(part.gathered)),
            f"create temp macro this_part() as {part.part}::integer",
            f"create temp macro in_part(employee) as employee_part(employee) = {part.part}",
        ]
        known = {table: _frame(place, pieces) for table, pieces in part.reference.items()}
        staged = {table: rows_of_pieces(place, pieces) for table, pieces in part.rows.items()}
        compute(session, ledger, known, staged, part.run, part.on, part=statements)
        order_entries(session)
        written = _written(session, place, part, UNNUMBERED)
        return Posted(
            part,
            written,
            {table: [save(session, place, f"select * from {identifier(table)}")] for table in _KEPT},
            {table: [save(session, place, _told(table, part))] for table in _TOLD},
        )


def number_part(posted: ToNumber) -> list[tuple[str, Written]]:
    """Writes the segments of a part that hold numbers of its entries.

    Raises: StoreError, UsageError where this process has other versions than the one that cut the batch.
    """
    part = posted.part
    place = place_of(part.store)
    with _session(place, part) as session:
        for table, pieces in posted.kept.items():
            _view(session, place, table, pieces)
        _view(session, place, "entry_numbers", posted.numbers)
        number_entries(session)
        record_numbered(session, part.run)
        return _written(session, place, part, NUMBERED)


def _session(place: Place, part: Part) -> Session:
    if part.software != software():
        raise UsageError(
            f"a worker of the cluster has {software()}, and the run is of {part.software}",
            where="cluster",
            mend="install the same versions everywhere (requirements/lock.txt)",
        )
    return Session(
        place.readable_roots, memory_limit=part.memory_limit, threads=part.threads, scratch=worker_directory()
    )


def _told(table: str, part: Part) -> str:
    limit = _RECORDED_ONCE.get(table) if part.part else None
    return f"select * from {identifier(table)}" + (f" where {limit}" if limit else "")


def _written(session: Session, place: Place, part: Part, kinds: Sequence[str]) -> list[tuple[str, Written]]:
    found = []
    for kind in kinds:
        limit = _RECORDED_ONCE.get(kind) if part.part else None
        rows = session.con.sql(rows_recorded(kind) + (f" where {limit}" if limit else ""))
        written = write_segment(place, kind, rows, runs=(part.run, part.run))
        if written is not None:
            validate_segments(kind, [place.at(written.name)])
            found.append((kind, written))
    return found


@contextmanager
def handing_on(place: Place) -> Iterator[None]:
    """Raises: StoreError in place of what the disk says while pieces are written."""
    try:
        yield
    except (OSError, duckdb.IOException) as error:
        raise StoreError(
            f"what a part of the run hands on cannot be written ({place.told(error)})",
            where=str(place),
            mend="make room or mend its rights, then give the command again: the ledger is as it was",
        ) from None


def save(session: Session, place: Place, query: str) -> Piece:
    """Writes the rows of a query to the place, for another part of the run. Raises: StoreError."""
    with handing_on(place):
        path = place.begin(FOLDER)
        try:
            session.con.sql(query).write_parquet(str(path), compression="snappy")
            return put(place, path)
        finally:
            path.unlink(missing_ok=True)


def put(place: Place, path: Path) -> Piece:
    """Gives a file that was begun in FOLDER the name of its content."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    name = f"{FOLDER}/{path.name.rpartition('-')[2]}-{digest}.parquet"
    place.finish(path, name)
    return Piece(name, digest)


def rows_of_pieces(place: Place, pieces: Iterable[Piece]) -> str:
    """The query of the rows of pieces, once each was held to its digest. Raises: StoreError naming one that is not."""
    files = []
    for piece in pieces:
        if not place.holds(piece.name, piece.digest):
            raise StoreError(
                "a file that a part of this run wrote is missing or was changed",
                where=place.shown(piece.name),
                mend="see that every worker of a cluster has the store at this place, then give the command again: "
                "the ledger is as it was",
            )
        files.append(place.at(piece.name))
    return f"select * from read_parquet({files_read(files)}, hive_partitioning = false)"


def _view(session: Session, place: Place, table: str, pieces: Iterable[Piece]) -> None:
    session.view(table, rows_of_pieces(place, pieces))


def _frame(place: Place, pieces: Iterable[Piece]) -> pl.DataFrame:
    rows_of_pieces(place, pieces)
    return pl.read_parquet([place.at(piece.name) for piece in pieces], hive_partitioning=False, glob=False)
