"""Every .sql file: its head says what it is, and it keeps amounts exact."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from pipeline.sql import ctes, until
from tests.tidy.tree import files, name

if TYPE_CHECKING:
    from collections.abc import Iterator

SQL = [path for path in files(".sql") if name(path).startswith("pipeline/")]
#: those that select; the state's make its tables
QUERIES = [path for path in SQL if not name(path).startswith("pipeline/state/")]
# Comments and texts are no arithmetic.
ASIDE = re.compile(r"--[^\n]*|'(?:[^']|'')*'")
INEXACT = {
    "a division that is not //": re.compile(r"(?<!/)/(?!/)"),
    "avg": re.compile(r"\bavg\s*\(|\bmean\s*\("),
    "a floating-point type": re.compile(r"\b(?:double|float\d?|real)\b", re.IGNORECASE),
}


def head(query: str) -> str:
    """Gives the comment that a file begins with."""
    return re.match(r"(?:--[^\n]*\n)*", query).group().replace("\n-- ", " ")  # type: ignore[union-attr]


@pytest.mark.parametrize("path", QUERIES, ids=name)
def test_the_head_says_what_a_row_is_and_what_comes_in_and_out(path: Path) -> None:
    said = head(path.read_text())
    assert said.startswith("-- "), "begin with a comment: what one row is"
    assert re.search(r"\bIn: ", said), "name the tables that it reads: In: …"
    assert re.search(r"\bOut: ", said), "name the table that it makes: Out: …"


@pytest.fixture(scope="module")
def parser() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that reads queries and runs none of them."""
    with duckdb.connect(":memory:") as connection:
        yield connection


def tables_read(query: str, parser: duckdb.DuckDBPyConnection) -> set[str]:
    """Gives the names of the tables that a query selects from, its own CTEs left out."""
    (tree,) = parser.execute("select json_serialize_sql($query)", {"query": query}).fetchone()  # type: ignore[misc]
    left, tables, own = [json.loads(tree)], set(), set(ctes(query))
    assert not left[0]["error"], left[0]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            if node.get("type") == "BASE_TABLE":
                tables.add(node["table_name"])
            left += node.values()
        elif isinstance(node, list):
            left += node
    return tables - own


@pytest.mark.parametrize("path", QUERIES, ids=name)
def test_the_head_names_the_tables_that_the_query_reads(path: Path, parser: duckdb.DuckDBPyConnection) -> None:
    query = path.read_text()
    said = set(re.findall(r"\w+", head(query).partition("In: ")[2].partition("Out: ")[0]))
    assert tables_read(query, parser) - said == set(), "name them: In: …"
    body = set(re.findall(r"\w+", re.sub(r"--[^\n]*", "", query)))
    assert {word for word in said - body if "_" in word} == set(), "it does not read these"


@pytest.mark.parametrize("path", SQL, ids=name)
def test_arithmetic_is_exact(path: Path) -> None:
    query = ASIDE.sub(" ", path.read_text())
    assert [what for what, pattern in INEXACT.items() if pattern.search(query)] == []


@pytest.mark.parametrize("path", SQL, ids=name)
def test_every_cte_can_be_looked_at_alone(path: Path) -> None:
    query = path.read_text()
    for cte in ctes(query):
        assert until(query, cte).endswith(f"select * from {cte}")
