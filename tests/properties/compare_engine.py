"""Runs random companies through the engine's commands and through the oracle, and prints what differs.

python -m tests.properties.compare_engine --seeds 0-50 [--size 2] [--strict]

Tables are compared after the last run (with --each: after every run, stopping at the first that differs). Without
--strict a finding is compared by table, document, version, row and rule, each once, and by the runs that made and
resolved it; with it, by column, value and number of copies too, and documents by first_run and last_run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
from click.testing import CliRunner

from tests.oracle import Oracle
from tests.oracle.ledger import in_bytes
from tests.properties.companies import Company, company, write

ON = date(2026, 6, 1)
Rows = list[dict[str, Any]]

# What names a row of a table; rows of one name are shown side by side, column by column.
KEYS: dict[str, tuple[str, ...]] = {
    "quarantine": ("table_name", "document", "version", "row_key", "rule"),
    "runs": ("run", "table_name"),
    "documents": ("document_kind", "document", "legal_entity"),
    "entry_lines": ("legal_entity", "journal_code", "fiscal_year", "entry_number", "line_number"),
    "letterings": ("legal_entity", "employee", "lettering"),
    "lettering_lines": (
        "legal_entity",
        "employee",
        "lettering",
        "journal_code",
        "fiscal_year",
        "entry_number",
        "line_number",
    ),
    "payments": ("payment_order", "employee"),
    "employee_accounts": ("legal_entity", "employee"),
    "balances": ("legal_entity", "account", "auxiliary"),
}
LOOSE_FINDING = ("table_name", "document", "version", "row_key", "rule", "first_run", "last_run", "resolved_run")
RUNS_OF_DOCUMENT = ("first_run", "last_run")
OWN_CHOICE = {"message", "batch_digest"}


def run_engine(*arguments: str | Path) -> tuple[int, str]:
    """Gives a command of the engine: in this process where its function is there, else in another one."""
    words = [str(argument) for argument in arguments]
    try:
        main = import_module("pipeline.cli").main
    except ImportError:
        done = subprocess.run(["lettrage", *words], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr
    result = CliRunner().invoke(main, words)
    trouble = "" if result.exception is None or result.exit_code in (0, 3) else f"\n{result.exception!r}"
    return result.exit_code, result.output + trouble


def dumped(store: Path, out: Path) -> dict[str, Rows]:
    """Reads every table that the engine dumps."""
    code, output = run_engine("dump", "--store", store, "--out", out)
    if code != 0:
        message = f"dump ended with {code}: {output}"
        raise RuntimeError(message)
    return {table: pl.read_parquet(out / f"{table}.parquet").to_dicts() for table in KEYS}


def oracle_tables(oracle: Oracle) -> dict[str, Rows]:
    """Gives the same tables as the oracle has them."""
    return {table: getattr(oracle, table) for table in KEYS}


def compare(seed: int, size: int = 1, *, strict: bool = False, each: bool = False) -> list[str]:
    """Lists what differs between engine and oracle for the company of a seed; empty where nothing does."""
    return compare_company(company(seed, size), strict=strict, each=each)


def compare_company(made: Company, *, strict: bool = False, each: bool = False) -> list[str]:
    """Lists what differs between engine and oracle, a line a difference."""
    oracle = Oracle()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        store = directory / "store"
        last = len(made.batches)
        for number, (reference, batch) in enumerate(write(made, directory), start=1):
            known = len(oracle.findings)
            oracle.run(made.references[number - 1], made.batches[number - 1], ON)
            code, output = run_engine(
                "run", "--reference", reference, "--batch", batch, "--store", store, "--on", ON.isoformat()
            )
            if code not in (0, 3):
                return [f"run {number} ended with {code}: {output}"]
            found: list[str] = []
            if (code == 3) != (len(oracle.findings) > known):
                found.append(f"run {number} ended with {code}, the oracle made {len(oracle.findings) - known} findings")
            if each or number == last:
                engine = dumped(store, directory / f"dump-{number}")
                found += differences(engine, oracle_tables(oracle), strict=strict)
                checked, said = run_engine("check", "--store", store)
                if checked != 0:
                    found.append(f"check ended with {checked}: {said}")
            if found:
                return [f"after run {number} of {last}:", *found]
    return []


def differences(engine: dict[str, Rows], oracle: dict[str, Rows], *, strict: bool) -> list[str]:
    """Lists the differences of every table, the tables that explain the others first."""
    found: list[str] = []
    for table, key in KEYS.items():
        columns = columns_compared(table, engine[table], oracle[table], strict=strict)
        ours = comparable(oracle[table], columns)
        theirs = comparable(engine[table], columns)
        if table == "quarantine" and not strict:
            ours, theirs = Counter(set(ours)), Counter(set(theirs))
        if ours != theirs:
            found.append(f"{table}:")
            found += [f"  {line}" for line in side_by_side(columns, key, theirs - ours, ours - theirs)]
    return found


def columns_compared(table: str, engine: Rows, oracle: Rows, *, strict: bool) -> list[str]:
    """Gives the columns to compare: all that either has, apart from what is each one's own choice."""
    if table == "quarantine" and not strict:
        return list(LOOSE_FINDING)
    names = dict.fromkeys(column for rows in (oracle, engine) for row in rows[:1] for column in row)
    apart = OWN_CHOICE if strict or table != "documents" else {*OWN_CHOICE, *RUNS_OF_DOCUMENT}
    return [column for column in names if column not in apart]


def comparable(rows: Rows, columns: Iterable[str]) -> Counter[tuple[Any, ...]]:
    """Gives rows as tuples that are equal where the rows are."""
    return Counter(tuple(value_of(row.get(column)) for column in columns) for row in rows)


def value_of(value: Any) -> Any:
    """Gives a value that compares with the other side's."""
    if isinstance(value, Decimal):
        return value.normalize() + 0
    return value


def side_by_side(
    columns: Sequence[str], key: tuple[str, ...], engine: Counter[tuple[Any, ...]], oracle: Counter[tuple[Any, ...]]
) -> Iterator[str]:
    """Shows the rows that differ: those of one name in one line, with the columns that are not alike."""
    places = [columns.index(column) for column in key]

    def by_name(rows: Counter[tuple[Any, ...]]) -> dict[tuple[Any, ...], list[tuple[Any, ...]]]:
        named: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
        for row in rows.elements():
            named.setdefault(tuple(row[place] for place in places), []).append(row)
        return named

    ours, theirs = by_name(oracle), by_name(engine)
    for name in sorted({*ours, *theirs}, key=lambda some: [in_bytes(str(value)) for value in some]):
        shown = " ".join(f"{column}={value}" for column, value in zip(key, name, strict=True))
        one, other = theirs.get(name, []), ours.get(name, [])
        if len(one) == len(other) == 1:
            apart = [
                f"{column}: engine {mine!s}, oracle {wanted!s}"
                for column, mine, wanted in zip(columns, one[0], other[0], strict=True)
                if mine != wanted
            ]
            yield f"{shown}: {'; '.join(apart)}"
            continue
        for who, rows in (("engine", one), ("oracle", other)):
            for row in rows:
                rest = " ".join(
                    f"{column}={value}"
                    for column, value in zip(columns, row, strict=True)
                    if column not in key and value is not None
                )
                yield f"{shown}: only the {who}: {rest}"


def seeds_of(text: str) -> list[int]:
    """Reads `7` or `0-50`."""
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def main() -> int:
    """Compares the seeds asked for; ends with 1 where one differs."""
    parser = argparse.ArgumentParser(description="Compares the engine with the oracle on random companies.")
    parser.add_argument("--seeds", type=seeds_of, default=seeds_of("0-20"), help="one seed, or first-last")
    parser.add_argument("--size", type=int, default=1)
    parser.add_argument("--strict", action="store_true", help="compare the details of findings and documents too")
    parser.add_argument("--each", action="store_true", help="compare after every run")
    parser.add_argument("--lines", type=int, default=40, help="how many differences to show of a seed")
    options = parser.parse_args()
    different = 0
    for seed in options.seeds:
        found = compare(seed, options.size, strict=options.strict, each=options.each)
        different += bool(found)
        if found:
            sys.stdout.write(f"seed {seed}, size {options.size}: {len(found)} differences\n")
            sys.stdout.writelines(f"  {line}\n" for line in found[: options.lines])
    sys.stdout.write(f"{different} of {len(options.seeds)} companies differ\n")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
