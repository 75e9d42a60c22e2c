"""Compares a ledger with the expected tables of a conformance case, as the cases' README says.

The ledger is given as rows: dicts with the columns of spec §7, values typed or as text. Rows are compared as
multisets, amounts as numbers; entry and line numbers, labels and runs are left out.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

CASES = Path(__file__).parent / "cases"

Row = Mapping[str, Any]
Ledger = Mapping[str, Sequence[Row]]

AMOUNTS = {"debit", "credit", "foreign_amount", "amount"}


def cases() -> list[Path]:
    """Lists the folders of the cases."""
    return sorted(folder for folder in CASES.iterdir() if folder.is_dir())


def batches(case: Path) -> list[Path]:
    """Lists the batches of a case, in order."""
    return sorted(case.glob("batch-*"), key=lambda folder: int(folder.name.removeprefix("batch-")))


def read_csv(path: Path) -> list[dict[str, str | None]]:
    """Reads a CSV as text; an empty cell is None."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [{column: cell or None for column, cell in row.items()} for row in csv.DictReader(file)]


def read_folder(folder: Path) -> dict[str, list[dict[str, str | None]]]:
    """Reads every CSV of a folder, by table name."""
    return {path.stem: read_csv(path) for path in sorted(folder.glob("*.csv"))}


def compare_case(expected: Path, ledger: Ledger) -> list[str]:
    """Lists what differs from a folder `expected-<n>`, a sentence a row; empty where nothing does.

    The ledger holds the tables entry_lines, letterings, lettering_lines and payments.
    """
    found: list[str] = []
    entry_lines = [{**row, "axes": axes_of(row)} for row in ledger["entry_lines"]]
    letterings = with_lines(ledger)
    for table, rows in (
        ("entry_lines", entry_lines),
        ("letterings", letterings),
        ("payments", list(ledger["payments"])),
    ):
        with (expected / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            columns = next(csv.reader(file))
        wanted = Counter(comparable(row, columns) for row in read_csv(expected / f"{table}.csv"))
        got = Counter(comparable(row, columns) for row in rows)
        for what, rows_apart in (("missing", wanted - got), ("too many", got - wanted)):
            found += [
                f"{table}: {what} {dict(zip(columns, row, strict=True))}" for row in sorted(rows_apart.elements())
            ]
    return found


def axes_of(line: Row) -> str:
    """Gives a line's sections as the cases write them: axis=section, joined by `;`, sorted by axis."""
    sections = {
        column.removeprefix("axis_"): value
        for column, value in line.items()
        if column.startswith("axis_") and value is not None
    }
    return ";".join(f"{axis}={section}" for axis, section in sorted(sections.items()))


def with_lines(ledger: Ledger) -> list[dict[str, Any]]:
    """Gives the letterings with their lines as the cases write them."""
    entry = ("legal_entity", "journal_code", "fiscal_year", "entry_number", "line_number")
    lines = {tuple(line[column] for column in entry): line for line in ledger["entry_lines"]}
    texts: dict[tuple[Any, ...], list[str]] = {}
    for row in ledger["lettering_lines"]:
        line = lines[tuple(row[column] for column in entry)]
        reversal = "/reversal" if line["reversal"] else ""
        text = f"{line['journal']}/{line['document']}{reversal} D{line['debit']} C{line['credit']}"
        texts.setdefault(lettering_key(row), []).append(text)
    return [{**row, "lines": " + ".join(texts.get(lettering_key(row), []))} for row in ledger["letterings"]]


def lettering_key(row: Row) -> tuple[Any, ...]:
    """Gives what names a lettering."""
    return row["legal_entity"], row["employee"], row["lettering"]


def comparable(row: Row, columns: Iterable[str]) -> tuple[str, ...]:
    """Gives a row as text that is equal where the rows are."""
    return tuple(cell(column, row[column]) for column in columns)


def cell(column: str, value: Any) -> str:
    """Gives a value as text that is equal where the values are."""
    if value is None or value == "":
        return ""
    if column in AMOUNTS:
        return number(value)
    if column == "lines":
        return " + ".join(sorted(lettered_line(text) for text in str(value).split(" + ")))
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def lettered_line(text: str) -> str:
    """Gives a lettered line with its amounts as numbers."""
    name, debit, credit = text.rsplit(" ", 2)
    return f"{name} D{number(debit.removeprefix('D'))} C{number(credit.removeprefix('C'))}"


def number(value: Any) -> str:
    """Gives an amount without the zeros that do not count."""
    return f"{Decimal(str(value)).normalize() + 0:f}"
