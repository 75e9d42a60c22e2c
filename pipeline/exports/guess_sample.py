"""A sample file as it was taken apart, and how the names on top of a table are told."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

#: what is read of a sample
MOST_BYTES = 1 << 20
MOST_LINES = 2_000
_FIGURE = re.compile(r"[+-]?[0-9][0-9 .,/'-]*\Z")

Kind = Literal["delimited", "fixed", "xlsx", "parquet", "json"]


@dataclass
class Group:
    """Lines of one kind. rows: their cells as they stand. lines: where in the file, 0 the first.

    spans: positions of the cells of records of fixed width. quoted: the cells that always stand in quotes.
    """

    rows: list[list[str]]
    lines: list[int]
    tag: str = ""
    names: list[str] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    quoted: frozenset[int] = frozenset()
    typed: frozenset[int] = frozenset()

    @property
    def width(self) -> int:
        """How many cells they have."""
        return max((len(row) for row in self.rows), default=len(self.names))


@dataclass
class Sample:
    """A sample file. heading, tail: lines on top and at the end that are of no kind. notes: what is to be said of it.

    has_names: whether the names of the first group's cells stand on top as they are. wrap: what stands around the
    objects of a JSON array.
    """

    kind: Kind
    groups: list[Group]
    encoding: str = ""
    newline: str = "\r\n"
    separator: str = ""
    quote: Literal["always", "where_needed", "never"] = "where_needed"
    heading: list[str] = field(default_factory=list)
    heading_rows: list[list[str]] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)
    has_names: bool = False
    wrap: tuple[str, str] | None = None
    sheet: str = ""
    notes: list[str] = field(default_factory=list)


def can_be_names(names: list[str]) -> bool:
    """Whether fields can have the names: each has one, of its own, that is no setting."""
    return all(names) and len(set(names)) == len(names) and not any(name[:1] == "$" or "\n" in name for name in names)


def is_names(cells: list[str], rest: list[list[str]]) -> bool:
    """Whether a line says what stands in the lines below: texts where they have figures."""
    filled = [cell for cell in cells if cell.strip()]
    if len(filled) * 2 < len(cells) or not filled or any(_FIGURE.match(cell.strip()) for cell in filled):
        return False
    if not rest:
        return len(filled) == len(cells) > 1 and all(re.match(r"[^\W\d_]", cell.strip("*# ")) for cell in cells)
    return any(
        cells[at].strip() and any(at < len(row) and _FIGURE.match(row[at].strip()) for row in rest)
        for at in range(len(cells))
    )
