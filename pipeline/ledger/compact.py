"""Compaction: the segments of many small runs become a few large ones; no row changes (docs/store.md, "Compaction").

One commit puts the large segments in force and the small ones out of it, without touching what they say. Readers that
hold the names of the small ones can still open them for an hour; a process that is killed leaves the ledger as it was.
Segments that are large already stay: history is not written again and again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.ledger import chain
from pipeline.ledger.reading import rows_of_files
from pipeline.ledger.store import ROW_GROUP
from pipeline.sql import Session, identifier
from schemas import STORED
from schemas.table import key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.ledger.store import Segment, Store, Writer

#: bytes from which on a segment is large, and is left as it is
LARGE = 32 * 1024 * 1024
#: fewer small segments than this are not worth a commit
WORTH = 4
#: rows of a row group of the kinds in which a run looks single rows up: small, so that it opens few rows
_SMALL_ROW_GROUP = 20_480
_LOOKED_UP = {"documents", "expense_entities", "payments", "lettering_lines", "letterings", "employee_state"}
#: kinds of which the rows of one run are read together: theirs stay together
_BY_RUN = ("findings", "quarantine", "runs", "run_times", "reference", "reference_digests")


@dataclass(frozen=True)
class Compacted:
    """What became of a kind: how many segments it had and has, and the bytes that were written."""

    kind: str
    before: int
    after: int
    written: int


def compact(store: Store, *, memory_limit: str | None = None, threads: int | None = None) -> list[Compacted]:
    """Merges the small segments of each kind, in one commit; returns what became of each kind that changed.

    Nothing to merge makes no commit. Raises: StoreError naming a segment that is not what was written, StoreBusyError
    where another process writes.
    """
    with chain.writing(store) as writer:
        before = writer.store
        merges = {kind: list(_merges(before.segments(kind))) for kind in before.kinds() if kind in STORED}
        done = [kind for kind, groups in merges.items() if groups]
        if not done:
            return []
        before.verify(done)
        with Session(before.place.readable_roots, memory_limit=memory_limit, threads=threads) as session:
            for kind in done:
                for group in merges[kind]:
                    _merge(session, writer, kind, group)
        written = {kind: writer.bytes_written(kind) for kind in done}
        writer.commit(None, {"lettrage.compacted": ", ".join(done), **chain.carried(before)}, changes_data=False)
        after = writer.store
    return [
        Compacted(kind, len(before.segments(kind)), len(after.segments(kind)), written[kind]) for kind in sorted(done)
    ]


def _merges(segments: Iterable[Segment]) -> Iterable[list[Segment]]:
    """The segments to merge: neighbours by run, as many as make a large one together."""
    group: list[Segment] = []
    size = 0
    for segment in [*segments, None]:
        if segment is None or segment.size >= LARGE or size >= LARGE:
            if len(group) >= WORTH or size >= LARGE:
                yield group
            group, size = [], 0
        if segment is not None and segment.size < LARGE:
            group.append(segment)
            size += segment.size


def _merge(session: Session, writer: Writer, kind: str, group: list[Segment]) -> None:
    place = writer.store.place
    keys = key(STORED[kind])
    order = ("run", *keys) if kind in _BY_RUN else keys
    columns = dict.fromkeys(order)
    rows = rows_of_files(kind, [place.at(segment.name) for segment in group])
    by = ", ".join(f"{identifier(name)} nulls first" for name in columns)
    writer.write(
        kind,
        session.con.sql(f"select * from ({rows}) order by {by}"),
        runs=(min(one.first for one in group), max(one.last for one in group)),
        row_group=_SMALL_ROW_GROUP if kind in _LOOKED_UP else ROW_GROUP,
    )
    writer.retire(group)
