"""What exports cost beside DuckDB's own COPY of the same columns: `python -m benchmarks.exports --lines 10000000`.

The ledger is the sample company's, as large as asked. Each format is written as a user writes it (the whole command,
recorded, with its digest and made durable) and compared with a process that reads the same columns from a Parquet file
and copies them to CSV, in the ledger's order and in the format's; a workbook with XlsxWriter's constant-memory mode.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.harness import Cost, in_turn, measure, total
from pipeline.exports.entries import wanted_columns
from pipeline.exports.format import load_format

LETTRAGE = [sys.executable, "-m", "pipeline.cli"]
FORMATS = ("csv", "fixed", "fec")
#: entry lines of the sample at scale 1, all three batches
_LINES_AT_ONE = 15_200
_WORKBOOK_LINES = 100_000

_COPY = """
import duckdb, sys
con = duckdb.connect()
source, target, order = sys.argv[1:]
con.sql(f"copy (select * from read_parquet('{source}') {order}) to '{target}' (format csv, header)")
"""
_XLSXWRITER = """
import sys
from datetime import date
from decimal import Decimal
import polars as pl, xlsxwriter
source, target = sys.argv[1:]
book = xlsxwriter.Workbook(target, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
sheet = book.add_worksheet()
money, day = book.add_format({"num_format": "#,##0.00"}), book.add_format({"num_format": "yyyy-mm-dd"})
lines = pl.read_parquet(source)
sheet.write_row(0, 0, lines.columns)
for number, row in enumerate(lines.iter_rows(), start=1):
    for column, value in enumerate(row):
        if isinstance(value, str):
            sheet.write_string(number, column, value)
        elif isinstance(value, Decimal):
            sheet.write_number(number, column, float(value), money)
        elif isinstance(value, date):
            sheet.write_datetime(number, column, value, day)
        elif value is not None:
            sheet.write_number(number, column, value)
book.close()
"""


def main() -> None:
    """Measures, and prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000, help="entry lines of the ledger, about")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=None, help="a directory to keep the ledger in")
    parser.add_argument("--formats", nargs="*", default=[*FORMATS, "xlsx"])
    given = parser.parse_args()
    work = given.work or Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        print(json.dumps(exports(work, given.lines, given.rounds, given.formats), indent=2))  # noqa: T201 - its result
    finally:
        if given.work is None:
            shutil.rmtree(work)


def exports(work: Path, lines: int, rounds: int, formats: list[str]) -> dict[str, object]:
    """Measures the formats on a ledger of so many lines; returns figures by format."""
    store = ledger(work, lines)
    table = dumped(work, store)
    count = rows(f"select count(*) from read_parquet('{table}')")[0][0]
    report: dict[str, object] = {"ledger lines": count}
    for name in formats:
        how = workbook if name == "xlsx" else text
        report[name] = how(work, store, table, name, rounds)
    return report


def text(work: Path, store: Path, table: Path, name: str, rounds: int) -> dict[str, object]:
    """A text format for every legal entity, beside COPY of the same columns."""
    out = work / "out"
    source = columns_of(work, table, name)
    entities = [row[0] for row in rows(f"select distinct legal_entity from '{source}' order by 1")]

    def written(number: int) -> Cost:
        shutil.rmtree(out, ignore_errors=True)
        return total([export(store, name, entity, out, number) for entity in entities])

    def copied(order: str) -> Cost:
        return measure([sys.executable, "-c", _COPY, str(source), str(work / "copy.csv"), order])

    sort = "order by " + ", ".join(load_format(name).format.order)
    jobs = {"export": written, "copy": lambda _: copied(""), "copy sorted": lambda _: copied(sort)}
    costs = in_turn(jobs, rounds)
    held = rows(f"select count(*) from '{source}'")[0][0]
    return _figures(held, costs)


def _figures(lines: int, costs: dict[str, Cost]) -> dict[str, object]:
    made = costs["export"]
    return {
        "lines": lines,
        "lines per second": round(lines / made.seconds),
        **{
            name: {"seconds": round(cost.seconds, 2), "cpu": round(cost.cpu, 2), "peak MB": cost.peak // 1_000_000}
            for name, cost in costs.items()
        },
        **{
            f"ratio to {name}": {"seconds": round(made.seconds / cost.seconds, 2), "cpu": round(made.cpu / cost.cpu, 2)}
            for name, cost in costs.items()
            if name != "export"
        },
    }


def ledger(work: Path, lines: int) -> Path:
    """The sample's ledger of about so many lines, made once in a working directory."""
    store = work / f"store-{lines}"
    if not store.exists():
        company, made = work / "company", work / "store-in-the-making"
        shutil.rmtree(made, ignore_errors=True)
        scale = max(1, round(lines / _LINES_AT_ONE))
        measure([*LETTRAGE, "sample", "--out", str(company), "--scale", str(scale), "--parquet"])
        for batch in ("batch-1", "batch-2", "batch-3"):
            given = ["--reference", str(company / "reference"), "--batch", str(company / batch), "--on", "2026-04-02"]
            measure([*LETTRAGE, "run", *given, "--store", str(made)], done=(0, 3))
        made.rename(store)
        shutil.rmtree(company)
    return store


def dumped(work: Path, store: Path) -> Path:
    """The entry lines as a Parquet file."""
    out = work / f"{store.name}-tables"
    if not out.exists():
        measure([*LETTRAGE, "dump", "--store", str(store), "--out", str(out)])
    return out / "entry_lines.parquet"


def columns_of(work: Path, table: Path, name: str) -> Path:
    """A Parquet file of the columns that a format reads; of labels, what they are looked up by.

    The FEC is for legal entities with a SIREN: the others are left out of its file too.
    """
    stand_ins = {
        "journal_label": "journal_code",
        "account_label": "account",
        "auxiliary_label": "auxiliary",
        "employee_name": "employee",
        "entity_name": "legal_entity",
        "validated_on": "entry_date",
        "exported_on": "entry_date",
        "currency_digits": "2",
        "foreign_digits": "2",
        "third_party": "auxiliary is not null",
        "side": "if(debit > 0, 'D', 'C')",
        "amount": "debit - credit",
        "side_amount": "debit + credit",
    }
    present = {row[0] for row in rows(f"describe select * from '{table}'")}
    axes = sorted(column for column in present if column.startswith("axis_"))
    loaded = load_format(name)
    wanted = sorted({*wanted_columns(loaded, axes), *(axes if loaded.has_every_axis else ()), "line_number"})
    wanted = [column for column in wanted if column in present or column in stand_ins]
    chosen = ", ".join(column if column in present else f"{stand_ins[column]} as {column}" for column in wanted)
    path = work / f"columns-{name}.parquet"
    only = "where legal_entity like 'FR%'" if name == "fec" else ""
    duckdb.sql(f"copy (select {chosen} from '{table}' {only}) to '{path}'")
    return path


def rows(query: str) -> list[tuple[Any, ...]]:
    """What a query gives."""
    found = duckdb.sql(query)
    return [] if found is None else found.fetchall()


def export(store: Path, name: str, entity: str, out: Path, number: int, through: str = "2026-12-31") -> Cost:
    """Writes all entries of an entity under a new profile's name."""
    profile = store.parent / f"{name}-{number}.toml"
    profile.write_text(f'name = "{name}-{entity}-{number}-{through}"\nformat = "{name}"\nentries = "all"\n')
    given = [
        "--profile",
        str(profile),
        "--entity",
        entity,
        "--through",
        through,
        "--on",
        "2026-04-02",
        "--out",
        str(out),
    ]
    return measure([*LETTRAGE, "export", "--store", str(store), *given])


def workbook(work: Path, store: Path, table: Path, name: str, rounds: int) -> dict[str, object]:
    """A workbook of about 100,000 lines, beside XlsxWriter on the same columns."""
    days = rows(
        f"select entry_date, sum(count(*)) over (order by entry_date) as lines from '{table}' "
        "where legal_entity = 'FR01' group by entry_date order by entry_date"
    )
    through, lines = next(((day, n) for day, n in days if n >= _WORKBOOK_LINES), days[-1])
    source = columns_of(work, table, name)
    some = work / "workbook.parquet"
    duckdb.sql(f"copy (select * from '{source}' where legal_entity = 'FR01' and entry_date <= '{through}') to '{some}'")
    out = work / "out"
    costs = in_turn(
        {
            "export": lambda number: export(store, name, "FR01", out, number, str(through)),
            "XlsxWriter": lambda _: measure([sys.executable, "-c", _XLSXWRITER, str(some), str(work / "x.xlsx")]),
        },
        rounds,
    )
    return _figures(int(lines), costs)


if __name__ == "__main__":
    main()
