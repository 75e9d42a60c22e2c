"""Counts work in place of time: statements, rows and bytes by stage and SQL file, from DuckDB's own profiles.

    tally = Tally()
    with tally.watching():
        tally.enter("run 1 / stage")
        ...
    tally.files["run 1 / stage"]["stage/known_documents.sql"]["rows scanned"]

The same program on the same data gives the same counts, so that a difference of a few rows is one of the program.
"""

from __future__ import annotations

import inspect
import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pipeline import sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

PIPELINE = Path(sql.__file__).parent

#: place → SQL file → measure → count
Counts = dict[str, dict[str, dict[str, int]]]
#: measure → what DuckDB calls it. Rows made and their bytes are those that operators hand to one another: a join too
#: many, a sort of wider rows, a worse plan show in them.
_PROFILED = {
    "rows scanned": "total_rows_scanned",
    "rows made": "total_intermediate_rows",
    "bytes made": "total_intermediate_size_bytes",
}
STATEMENTS = "statements"
READ, WRITTEN = "bytes read", "bytes written"
#: what the system counts for a process: every byte that it read and wrote, from and to files, pipes and caches
_IO = Path("/proc/self/io")
_OF_IO = {"rchar": READ, "wchar": WRITTEN}


class Tally:
    """What was counted so far.

    files: place → SQL file, or function that composed a statement → measure → count. bytes: place → measure → count.
    A place is what was going on, as `enter` was told it.
    """

    def __init__(self) -> None:
        self.files: Counts = {}
        self.bytes: dict[str, dict[str, int]] = {}
        self._place = "start"
        self._io: dict[str, int] = {}
        texts = [(path.read_text(encoding="utf-8").strip(), _told(path)) for path in PIPELINE.rglob("*.sql")]
        self._names = sorted(texts, key=lambda named: -len(named[0]))

    def enter(self, place: str) -> None:
        """What comes is of this place."""
        now = _io()
        taken = self.bytes.setdefault(self._place, {})
        for measure, count in self._io.items():
            taken[measure] = taken.get(measure, 0) + now[measure] - count
        self._place, self._io = place, now

    def counts(self, place: str, file: str) -> dict[str, int]:
        """The counts of a file at a place, to be added to."""
        return self.files.setdefault(place, {}).setdefault(file, dict.fromkeys((STATEMENTS, *_PROFILED), 0))

    @contextmanager
    def watching(self) -> Iterator[Self]:
        """Has every session that is opened meanwhile looked at."""
        before, sql.watch = sql.watch, lambda con: Watched(con, self)  # type: ignore[assignment,return-value]
        try:
            yield self
        finally:
            sql.watch = before

    def key(self, query: str) -> tuple[str, str]:
        """Where a statement is counted: at the longest file that it holds, else at the function that composed it."""
        found = next((name for text, name in self._names if text in query), None)
        return self._place, found or _caller()


class Watched:
    """A connection that counts what its statements do. A profile is taken before the next statement or at the end.

    Rows may be fetched long after a statement was given, so there is none before that.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, tally: Tally) -> None:
        self._con, self._tally = con, tally
        self._key: tuple[str, str] | None = None
        self._taken = ""
        # The plans of several threads are the same; how many rows each of them looks at is not.
        for setting in ("threads = 1", "enable_profiling = 'no_output'", "profiling_coverage = 'ALL'"):
            con.execute(f"set {setting}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._con, name)

    def execute(self, query: str, *arguments: Any, **named: Any) -> duckdb.DuckDBPyConnection:
        """Gives a statement."""
        self._begin(query)
        return self._con.execute(query, *arguments, **named)

    def sql(self, query: str, *arguments: Any, **named: Any) -> duckdb.DuckDBPyRelation:
        """Gives a query that is computed when it is read."""
        self._begin(query)
        return self._con.sql(query, *arguments, **named)

    def close(self) -> None:
        """Closes the connection."""
        self._take()
        self._con.close()

    def _begin(self, query: str) -> None:
        self._take()
        self._key = self._tally.key(query)

    def _take(self) -> None:
        """Counts what was done since the last statement was given."""
        text = self._con.get_profiling_information("json")
        found = json.loads(text).get("query")
        if self._key is None or found is None or text == self._taken:
            return
        counts = self._tally.counts(*self._key)
        counts[STATEMENTS] += 1
        for measure, name in _PROFILED.items():
            counts[measure] += found[name]
        self._taken = text


def _caller() -> str:
    """The innermost function of the pipeline, the session's own left out, that is at work."""
    frame = inspect.currentframe()
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(PIPELINE) and path.name != "sql.py":
            return f"{_told(path)} {frame.f_code.co_name}"
        frame = frame.f_back
    return "sql.py"


def _told(path: Path) -> str:
    return path.relative_to(PIPELINE).as_posix()


def _io() -> dict[str, int]:
    """What this process has read and written, nothing where the system does not tell."""
    if not _IO.exists():
        return {}
    found = dict(line.split(": ") for line in _IO.read_text(encoding="ascii").splitlines())
    return {measure: int(found[name]) for name, measure in _OF_IO.items()}
