"""Runs .sql files over named tables: one DuckDB connection, locked down, a file a table.

A file `balances.sql` makes the table `balances`. Its head says what one row is, what it reads and what
it returns; values come in as `$name`, never as text pasted into the statement.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import duckdb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import polars as pl
    import pyarrow as pa

_NAME = re.compile(r"[a-z_][a-z0-9_]*\Z")
_PARAMETER = re.compile(r"(?<![$\w])\$([a-z_][a-z0-9_]*)")

# The one division that rounds: whole numbers in, the nearest whole number out, half away from zero (spec §1).
# DuckDB's `/` on decimals is binary floating point, so amounts never meet it.
_MACROS = (
    """
    create macro divide_rounded(dividend, divisor) as (
        case when dividend < 0 then -1 else 1 end::hugeint
        * ((2 * abs(dividend::hugeint) + divisor) // (2 * divisor))
    )
    """,
    # The same of minor * numerator (below a million), in 64 bits where it fits: HUGEINT costs ten times that.
    """
    create macro proportion(minor, numerator, divisor) as (
        case
            when abs(minor) < 4000000000000
                then case when minor < 0 then -1 else 1 end * ((2 * abs(minor) * numerator + divisor) // (2 * divisor))
            else divide_rounded(minor::hugeint * numerator, divisor)::bigint
        end
    )
    """,
    # Powers of ten as whole numbers: DuckDB's ** is floating point.
    """
    create macro power10(exponent) as (
        [1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000,
        1000000000000][exponent + 1]
    )
    """,
    "create macro minor_e4(digits) as (power10(4 - digits))",
    # Decimals as whole numbers of their last decimal; the wider type is what keeps the product from overflowing.
    "create macro e3(value) as ((value::decimal(6, 3) * 1000::decimal(4, 0))::bigint)",
    # Again, what fits into 64 bits is computed there.
    """
    create macro e4(value) as (
        case
            when abs(value) < 10000000000 then (value::decimal(18, 4) * 10000)::bigint
            else (value::decimal(22, 4) * 10000::decimal(5, 0))::bigint
        end
    )
    """,
    "create macro e8(value) as ((value::decimal(28, 8) * 100000000::decimal(10, 0))::hugeint)",
    # Whole minor units of one currency, at a rate in hundred-millionths, to those of another.
    """
    create macro converted(minor, rate_e8, digits, target_digits) as (
        case
            when rate_e8 = 100000000 and digits = target_digits then minor::hugeint
            else divide_rounded(minor::hugeint * rate_e8, power10(8 + digits - target_digits))
        end
    )
    """,
    # What an amount of 14 digits before the point must stay below, in whole minor units.
    "create macro largest_minor(digits) as (100000000000000::hugeint * power10(digits))",
    "create macro to_minor(amount, digits) as (e4(amount) // minor_e4(digits))",
    # A chart row's account or auxiliary with its placeholders filled in; empty is none (spec §4, "Accounts").
    """
    create macro rendered(template, employee, auxiliary, legal_entity, key) as (
        case
            when not contains(template, '{') then nullif(template, '')
            -- A code with a brace of its own is not taken for a placeholder: the template is read once, part by part.
            when contains(employee, '{') or contains(auxiliary, '{') or contains(legal_entity, '{') then nullif(
                array_to_string(
                    list_transform(
                        regexp_extract_all(template, '\\{(?:employee|auxiliary|legal_entity|key)\\}|[^{]+|\\{'),
                        lambda part: case part
                            when '{employee}' then employee
                            when '{auxiliary}' then auxiliary
                            when '{legal_entity}' then legal_entity
                            when '{key}' then key
                            else part
                        end
                    ),
                    ''
                ),
                ''
            )
            else nullif(
                replace(
                    replace(
                        replace(replace(template, '{employee}', employee), '{auxiliary}', auxiliary),
                        '{legal_entity}', legal_entity
                    ),
                    '{key}', key
                ),
                ''
            )
        end
    )
    """,
    # The posting date: the event's, or the first day that is not closed (spec §4).
    """
    create macro posting_date(event_date, closed_through) as (
        greatest(event_date, (closed_through + interval 1 day)::date)
    )
    """,
    # The calendar year in which the fiscal year of a day ends (spec §4, "Numbering").
    """
    create macro fiscal_year_of(day, fiscal_year_start) as (
        (
            year(day)
            + if(fiscal_year_start <> '01-01' and strftime(day, '%m-%d') >= fiscal_year_start, 1, 0)
        )::integer
    )
    """,
    # AAA, AAB, ... ZZZ, AAAA, ...: the code of an employee account's nth lettering, n from 1 (spec §5).
    """
    create macro lettering_code(number) as (
        case
            when number <= 17576 then
                chr((65 + (number - 1) // 676)::integer)
                || chr((65 + (number - 1) // 26 % 26)::integer)
                || chr((65 + (number - 1) % 26)::integer)
            else
                chr((65 + (number - 17577) // 17576)::integer)
                || chr((65 + (number - 17577) // 676 % 26)::integer)
                || chr((65 + (number - 17577) // 26 % 26)::integer)
                || chr((65 + (number - 17577) % 26)::integer)
        end
    )
    """,
    # DuckDB's md5_number_lower, at a third of what that costs.
    "create macro md5_lower(text) as ((md5_number(text) >> 64)::ubigint)",
    # A decimal as a person writes it: trailing zeros do not count (spec §2).
    r"create macro shown(value) as (regexp_replace(value::varchar, '(\.[0-9]*?)0+$', '\1').rtrim('.'))",
    # Whole minor units to the decimals that tables hold, exactly.
    """
    create macro to_amount(minor, digits) as (
        (minor * minor_e4(digits))::decimal(18, 0) * 0.0001::decimal(5, 4)
    )::decimal(18, 4)
    """,
)

#: what looks at the connection of each session before it is locked, and gives what the session then uses. Benchmarks
#: count with it what statements do; a command leaves it alone.
watch: Callable[[duckdb.DuckDBPyConnection], duckdb.DuckDBPyConnection] | None = None


def identifier(name: str) -> str:
    """Returns `name` as a quoted SQL identifier; only names made of a-z, 0-9 and _ can be one.

    Raises: ValueError for anything else, since identifiers come from schemas and axis codes alone.
    """
    if not _NAME.match(name):
        message = f"not an SQL identifier: {name!r}"
        raise ValueError(message)
    return f'"{name}"'


def files_read(paths: Iterable[Path | str]) -> str:
    """Returns what read_parquet takes to read these files and no others, whatever characters are in their paths."""
    return _literal([_pattern(str(Path(path).absolute())) for path in paths])


class Session:
    """A private in-memory DuckDB with the tables of one command.

    directories: the only places that its SQL may read or write. memory_limit: DuckDB's syntax ("2GB"), above it
    DuckDB spills to a temporary directory. threads: how many it may use; the results do not depend on it. scratch:
    where that directory is made, the system's where nothing is said.
    """

    def __init__(
        self,
        directories: Iterable[Path] = (),
        *,
        memory_limit: str | None = None,
        threads: int | None = None,
        scratch: Path | None = None,
    ) -> None:
        self._kinds: dict[str, str] = {}
        #: a directory of the session's own, gone with it
        self.scratch = Path(tempfile.mkdtemp(prefix="lettrage-", dir=scratch))
        # Also of a session that nobody closed: its tables are gone with it, and so are the files they were spilled to.
        self._removed = weakref.finalize(self, shutil.rmtree, self.scratch, ignore_errors=True)
        connection = duckdb.connect(":memory:")
        self.con = connection if watch is None else watch(connection)
        try:
            self._set_up(directories, str(self.scratch), memory_limit, threads)
        except BaseException:
            self.close()
            raise

    def _set_up(self, directories: Iterable[Path], spill: str, memory_limit: str | None, threads: int | None) -> None:
        places = [str(Path(directory).resolve()) for directory in directories]
        # A name that read_parquet is given as a pattern is held to the directories as it is written.
        allowed = list(dict.fromkeys([*places, *(_pattern(place) for place in places)]))
        settings: list[tuple[str, Any]] = [
            ("allowed_directories", [*allowed, spill]),
            ("autoinstall_known_extensions", False),
            ("autoload_known_extensions", False),
            ("allow_community_extensions", False),
            ("allow_persistent_secrets", False),
            ("temp_directory", spill),
            ("python_enable_replacements", False),
            ("preserve_insertion_order", False),
            ("enable_progress_bar", False),
            ("TimeZone", "UTC"),
        ]
        if memory_limit is not None:
            settings.append(("memory_limit", memory_limit))
        if threads is not None:
            settings.append(("threads", threads))
        settings += [("enable_external_access", False), ("lock_configuration", True)]
        for name, value in settings:
            self.con.execute(f"set {name} = {_literal(value)}")
        for macro in _MACROS:
            self.con.execute(macro)

    def close(self) -> None:
        """Drops every table and the files that they were spilled to."""
        try:
            self.con.close()
        finally:
            self._removed()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def register(self, table: str, data: pl.DataFrame | pa.Table) -> None:
        """Makes a frame readable by SQL under the name `table`, in place of what had that name."""
        self.drop(table)
        self.con.register(table, data.to_arrow() if hasattr(data, "to_arrow") else data)
        self._kinds[table] = "frame"

    def create(self, table: str, query: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Makes the table `table` of what `query` selects, in place of what had that name."""
        self.drop(table)
        self.con.execute(f"create temp table {identifier(table)} as {query}", _used(query, parameters))
        self._kinds[table] = "table"

    def view(self, table: str, query: str) -> None:
        """Makes `table` a name for `query`: computed when it is read."""
        self.drop(table)
        self.con.execute(f"create temp view {identifier(table)} as {query}")
        self._kinds[table] = "view"

    def run(self, path: Path, table: str | None = None, **parameters: Any) -> None:
        """Makes the table named after the file (or `table`) of what the file selects."""
        self.create(table or path.stem, path.read_text(encoding="utf-8"), parameters)

    def insert(self, table: str, query: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Adds what `query` selects to `table`, column by name."""
        self.con.execute(f"insert into {identifier(table)} by name {query}", _used(query, parameters))

    def add(self, path: Path, table: str, **parameters: Any) -> None:
        """Adds what the file selects to `table`, column by name."""
        self.insert(table, path.read_text(encoding="utf-8"), parameters)

    def query(self, query: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """Returns what `query` selects."""
        frame: pl.DataFrame = self.con.sql(query, params=_used(query, parameters)).pl()
        return frame

    def rows(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Returns what `query` selects, a dict a row: for a few rows, which need no frame and no polars."""
        found = self.con.execute(query, _used(query, parameters))
        names = [name for name, *_ in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def value(self, query: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """Returns the first column of the first row of `query`, None where there is no row."""
        rows = self.con.execute(query, _used(query, parameters)).fetchall()
        return rows[0][0] if rows else None

    def count(self, table: str) -> int:
        """Returns how many rows `table` has."""
        return int(self.value(f"select count(*) from {identifier(table)}"))

    def drop(self, *tables: str) -> None:
        """Forgets tables, views and registered frames; none of them need be there."""
        for table in tables:
            kind = self._kinds.pop(table, None)
            if kind == "frame":
                self.con.unregister(table)
            elif kind is not None:
                self.con.execute(f"drop {kind} {identifier(table)}")


def batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The batches of a query's reader. Raises: duckdb.OutOfMemoryException, also where it comes out of the stream."""
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except OSError as error:
            if str(error).startswith("Out of Memory"):
                raise duckdb.OutOfMemoryException(str(error)) from None
            raise
        yield batch


def until(query: str, cte: str) -> str:
    """Returns `query` cut off after the CTE `cte`, selecting its rows: any step of a file can be looked at alone.

    Raises: ValueError where the query has no such CTE.
    """
    start = re.search(rf"^{re.escape(cte)} as (?:not materialized |materialized )?\(\n", query, re.MULTILINE)
    end = query.find("\n)", start.end()) if start else -1
    if end < 0:
        message = f"no CTE named {cte}"
        raise ValueError(message)
    return f"{query[:end]}\n)\n\nselect * from {cte}"


def ctes(query: str) -> list[str]:
    """Returns the names of the CTEs of `query`, in the order in which they stand."""
    return re.findall(r"^(\w+) as (?:not materialized |materialized )?\($", query, re.MULTILINE)


def _used(query: str, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Leaves out the parameters that the query does not name: DuckDB refuses them."""
    named = set(_PARAMETER.findall(query))
    return {name: value for name, value in (parameters or {}).items() if name in named}


def _pattern(path: str) -> str:
    """The pattern that a path alone matches: DuckDB takes `*`, `?` and `[` for more than themselves."""
    return re.sub(r"[*?\[]", r"[\g<0>]", path)


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_literal(item) for item in value) + "]"
    if isinstance(value, int):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"
