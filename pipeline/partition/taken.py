"""A run taken part by part: cut ─▶ post ─▶ number ─▶ write, with the same rows as if it had been taken whole."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import duckdb

from pipeline.errors import RunError
from pipeline.ledger.reading import rows_of_files
from pipeline.partition.cut import by_part, cut
from pipeline.partition.part import FOLDER, Part, ToNumber, number_part, post_part, rows_of_pieces
from pipeline.post.post import give_numbers
from pipeline.record.record import SHARES, SNAPSHOTS, SUMMED, record_sums, validate_segments
from pipeline.steps import attach, rows_recorded, sums_held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    import polars as pl

    from pipeline.ledger.store import Writer, Written
    from pipeline.partition.engines import Done, Engine, Task
    from pipeline.partition.part import Posted
    from pipeline.sql import Session
    from pipeline.tables import RawTable

#: of a worker's memory what DuckDB may take, in percent: Python, and what is being written, need the rest
_SHARE_OF_WORKER = 60
#: times that the parts are made smaller where memory did not hold one
_SMALLER = 3


def take_in_parts(
    session: Session,
    writer: Writer,
    known: Mapping[str, pl.DataFrame],
    batch: Mapping[str, RawTable],
    *,
    engine: Engine,
    count: int,
    number: int,
    on: date,
    memory_limit: str | None,
    threads: int | None,
    progress: Callable[[str], None],
) -> str:
    """Takes the batch in `count` parts or more, and writes every kind that a run writes but those of the company.

    Leaves, as a run that is taken whole does, record_payments, record_findings, record_quarantine, record_runs and
    entry_sums. memory_limit, threads: of each part's session, the engine's where they are not given. Returns the
    batch's digest. Raises: RunError where memory does not hold a part however many there are, and as the steps do;
    OutOfMemoryException where it does not hold what this process does itself. Nothing is committed then.
    """
    attach(session, writer.store)
    if memory_limit is None and engine.memory is not None:
        memory_limit = f"{engine.memory * _SHARE_OF_WORKER // 100 >> 20}MiB"
    threads = threads or engine.threads
    for smaller in range(_SMALLER + 1):
        parts_count = count * 2**smaller
        progress("cut" if not smaller else f"cut anew, into {parts_count} parts: memory does not hold these")
        with _cleared_away(writer) as handed_on:
            parts = [
                replace(part, memory_limit=memory_limit, threads=threads)
                for part in cut(session, writer.store, batch, known, count=parts_count, run=number, on=on)
            ]
            handed_on.update(_names(parts))
            try:
                return _taken(session, writer, parts, engine, handed_on, number=number, on=on, progress=progress)
            except _PartTooLargeError:
                continue
    raise RunError(
        "memory does not hold a part of this run, however small: the documents of one employee may be too many",
        where="run",
        mend="give it more with --memory-limit; the ledger is as it was",
    )


class _PartTooLargeError(Exception):
    """Memory does not hold a part."""


def _each(engine: Engine, take: Callable[[Task], Done], tasks: Sequence[Task]) -> Iterator[Done]:
    """What comes of each task. Raises: _PartTooLargeError where memory does not hold one."""
    try:
        yield from engine.each(take, tasks)
    except duckdb.OutOfMemoryException:
        raise _PartTooLargeError from None


def _taken(
    session: Session,
    writer: Writer,
    parts: list[Part],
    engine: Engine,
    handed_on: set[str],
    *,
    number: int,
    on: date,
    progress: Callable[[str], None],
) -> str:
    place = writer.store.place
    written: list[tuple[str, Written]] = []
    posted: list[Posted] = []
    for one in _each(engine, post_part, parts):
        posted.append(one)
        handed_on.update(_names([one]))
        written += one.written
        progress(f"post, part {len(posted)} of {len(parts)}")
    for table in posted[0].told:
        rows = rows_of_pieces(place, [piece for one in posted for piece in one.told[table]])
        # The run tells of its shares when the pieces are gone; the keys of entries are as many as the entries.
        (session.create if table in SHARES else session.view)(table, rows)
    progress("number")
    give_numbers(session)
    numbers = by_part(session, place, "select part, entry_id, entry_number from entry_numbers", len(parts))
    handed_on.update(piece.name for pieces in numbers for piece in pieces)
    to_number = [ToNumber(one.part, one.kept, numbers[one.part.part]) for one in posted]
    to_number.sort(key=lambda one: -one.part.size)
    for count, segments in enumerate(_each(engine, number_part, to_number), start=1):
        written += segments
        progress(f"write, part {count} of {len(parts)}")
    with sums_held():
        digest = record_sums(session, number, on)
    for kind in SNAPSHOTS:
        writer.replace(kind)
    writer.take(segment for _, segment in sorted(written, key=lambda one: one[1].name))
    for kind in SUMMED:
        writer.write(kind, session.con.sql(rows_recorded(kind)))
        validate_segments(kind, writer.written(kind))
    for kind in ("payments", "findings", "quarantine"):
        session.view(f"record_{kind}", rows_of_files(kind, writer.written(kind)))
    session.drop("entry_numbers")
    return digest


@contextmanager
def _cleared_away(writer: Writer) -> Iterator[set[str]]:
    """Removes what parts have handed on, once all of it was read or nobody will.

    Gives the set of its names, to be filled. Where a lock keeps other writers out, what nobody was told of goes too;
    elsewhere it may be another run's, and is left to the sweep.
    """
    names: set[str] = set()
    try:
        yield names
    finally:
        place = writer.store.place
        found = place.sizes() if place.has_lock else ()
        place.remove(names.union(name for name in found if name.startswith(f"{FOLDER}/")))


def _names(tasks: Iterable[Part | Posted]) -> Iterator[str]:
    """The names of the pieces that parts, or what came of them, speak of."""
    for one in tasks:
        tables = (
            [one.rows, one.reference, {"findings": one.findings, "gathered": one.gathered}]
            if isinstance(one, Part)
            else [one.kept, one.told]
        )
        yield from (piece.name for table in tables for pieces in table.values() for piece in pieces)
