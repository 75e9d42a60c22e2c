"""The data of the benchmarks: a sample company multiplied, so that 10 million expenses take minutes and not a day.

`lettrage sample` makes a company of about 100,000 expenses a month; its first batch and its employees are then copied
as often as needed. Each copy has employees, auxiliary accounts and rights of its own; legal entities, charts, sections
and payment orders are the company's. Documents are shuffled and numbered anew, so that a file is in the order of its
ids, and neighbouring rows have nothing to do with each other, as in what a company exports. All reports are approved,
and one order for each legal entity pays everything.

    reference/  full/       the batch of so many expenses, and its reference tables
    csv/                    the same two as CSV
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from pipeline.sample import write_sample

if TYPE_CHECKING:
    from pathlib import Path

#: expenses that the sample's first batch has at scale 1, about
_EXPENSES_AT_ONE = 2020
#: the largest sample that is copied
BASE = 100_000
_SEED = 5

#: documents get new numbers: the column → the table that has a row a version of each
_DOCUMENTS = {"report": ("expense_reports", "R"), "advance": ("advances", "A")}
#: reference tables and movements that say something of the whole company are there once
_COMMON = ("axes", "bank_accounts", "journals", "legal_entities", "payment_methods", "sections", "vat_codes")
_ONCE = (*_COMMON, "payment_orders")
#: the order of the rows of each movement: its key
_KEYS = ("report", "advance", "payment_order", "version", "expense", "split", "axis", "vat_code", "employee")


@dataclass(frozen=True)
class Data:
    """Where the data of a working directory is. expenses: rows of the full batch."""

    work: Path
    expenses: int

    @property
    def reference(self) -> Path:
        """The reference tables."""
        return self.work / "reference"

    @property
    def full(self) -> Path:
        """The batch of everything."""
        return self.work / "full"

    @property
    def csv(self) -> Path:
        """Holds both as CSV."""
        return self.work / "csv"

    @property
    def inputs(self) -> list[Path]:
        """The files of both."""
        return sorted([*self.reference.glob("*.parquet"), *self.full.glob("*.parquet")])

    def rows(self, directory: Path) -> dict[str, int]:
        """Rows of each table of a directory."""
        return {path.stem: count(path) for path in sorted(directory.glob("*.parquet"))}


def count(path: Path) -> int:
    """Rows of a Parquet file."""
    with duckdb.connect() as con:
        return int(con.execute(f"select count(*) from {_read(path)}").fetchall()[0][0])


def make(work: Path, size: int, *, base: int = BASE) -> Data:
    """The data of about `size` expenses in a working directory, made once.

    base: about how many expenses the sample has that is copied.
    """
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "full").exists():
        sample, beside = work / "sample", work / "full.writing"
        for left in (sample, beside, work / "reference"):
            shutil.rmtree(left, ignore_errors=True)
        write_sample(sample, seed=_SEED, scale=max(1, round(min(size, base) / _EXPENSES_AT_ONE)), parquet=True)
        copies = max(1, round(size / count(sample / "batch-1" / "expenses.parquet")))
        multiply(sample / "reference", sample / "batch-1", work / "reference", beside, copies)
        beside.rename(work / "full")
        shutil.rmtree(sample)
    return Data(work, count(work / "full" / "expenses.parquet"))


def multiply(reference: Path, batch: Path, new_reference: Path, new_batch: Path, copies: int) -> None:
    """Writes so many copies of a company's employees and documents as one company and one batch."""
    with duckdb.connect() as con:
        # DuckDB's limit is for what it can spill; sorting 14 million rows stays below it.
        con.execute("set memory_limit = '6GB'")
        con.execute(f"create table copies as select range as copy from range({copies})")
        for column, (table, letter) in _DOCUMENTS.items():
            con.execute(f"""
                create table {column}_numbers as
                select
                    {column}, copy,
                    '{letter}2601-' || lpad(row_number() over (order by drawn)::varchar, 8, '0') as new
                from (
                    select {column}, copy, hash({column} || ' ' || copy) as drawn
                    from (select distinct {column} from {_read(batch / f"{table}.parquet")}) cross join copies
                )
            """)
        for source, target in ((reference, new_reference), (batch, new_batch)):
            target.mkdir(parents=True)
            for path in sorted(source.glob("*.parquet")):
                query = _multiplied(con, path) if path.stem not in _ONCE else f"from {_read(path)}"
                con.execute(f"copy ({query}) to '{target / path.name}' (format parquet, compression zstd)")


def _multiplied(con: duckdb.DuckDBPyConnection, path: Path) -> str:
    """The query of a table's rows, once a copy; what is for no employee in particular stays as it is."""
    columns = [name for name, *_ in con.execute(f"describe from {_read(path)}").fetchall()]
    documents = [name for name in columns if name in _DOCUMENTS]
    chosen = []
    for name in columns:
        if name in _DOCUMENTS:
            chosen.append(f"{name}_numbers.new as {name}")
        elif name in ("employee", "auxiliary") and "role" not in columns:
            chosen.append(f"{_of_copy(name)} as {name}")
        elif name == "employee":
            chosen.append(f"if(employee = '*', '*', {_of_copy(name)}) as employee")
        elif name == "status":
            chosen.append("if(status = 'declared', 'approved', status) as status")
        else:
            chosen.append(name)
    personal = "true"
    if not documents and "employee" in columns:
        personal = "copy = 0 or coalesce(employee, '*') <> '*'"
    joins = " ".join(f"left join {name}_numbers using ({name}, copy)" for name in documents)
    order = [name for name in columns if name in _KEYS] if documents else []
    return (
        f"select {', '.join(chosen)} from (from {_read(path)} cross join copies) {joins} where {personal}"
        f"{' order by ' + ', '.join(order) if order else ''}"
    )


def _of_copy(name: str) -> str:
    return f"if(copy = 0, {name}, {name} || 'K' || copy)"


def as_csv(data: Data) -> Path:
    """The reference tables and the full batch as CSV, made once: <csv>/reference and <csv>/full."""
    if not data.csv.exists():
        beside = data.csv.with_suffix(".writing")
        shutil.rmtree(beside, ignore_errors=True)
        for path in data.inputs:
            target = beside / path.parent.name / f"{path.stem}.csv"
            target.parent.mkdir(parents=True, exist_ok=True)
            duckdb.sql(f"copy (from {_read(path)}) to '{target}' (format csv, header)")
        beside.rename(data.csv)
    return data.csv


def _read(path: Path) -> str:
    return f"read_parquet('{path}')"
