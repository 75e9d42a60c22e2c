"""What exports cost, a format of each kind, beside DuckDB's `COPY` of the same columns and lines.

Each is written as a user writes it (the whole command, recorded, with its digest and made durable) for the largest
legal entity. The copy is of a Parquet file that holds the columns that the format reads and nothing else, to CSV, or to
Parquet where the format is that. A workbook is compared with XlsxWriter in its constant-memory mode too.
"""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb

from benchmarks.harness import LETTRAGE, PYTHON, Case, Cost, Part, measure
from benchmarks.ledgers import dumped
from benchmarks.limit import limit
from benchmarks.runs import ON, ledger, linked
from pipeline.exports.entries import wanted_columns
from pipeline.exports.format import load_format

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.data import Data

#: a format of each kind that there is; the FEC for what it adds to CSV, its order and its rules
FORMATS = ("csv", "fec", "fixed", "hledger", "json", "parquet")
#: kinds that hold a month of a company, not a year of a group: measured on about so many lines
_IN_PART = ("xlsx", "business_central_rapidstart")
_PART_LINES = 100_000
_ENTITY, _ORDER = "FR01", "PO-FR01-2601"
#: columns that are not in the ledger's table: what they are looked up by
_STAND_INS = {
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


def part(data: Data) -> Part:
    """The cases of exports."""
    # Exports are recorded: the ledger that other parts read stays as it is.
    store = linked(ledger(data), data.work / "exports-ledger")
    table = dumped(data) / "entry_lines.parquet"
    out = data.work / "out"
    through = _rows(f"""
        select entry_date from (
            select entry_date, sum(count(*)) over (order by entry_date) as upto
            from '{table}' where legal_entity = '{_ENTITY}' group by entry_date
        ) order by upto >= {_PART_LINES} desc, if(upto >= {_PART_LINES}, upto, -upto) limit 1
    """)[0][0]

    def export(name: str, last: str, number: int) -> Cost:
        shutil.rmtree(out, ignore_errors=True)
        profile = data.work / f"{name}-{number}.toml"
        profile.write_text(f'name = "{name}-{number}"\nformat = "{name}"\nentries = "all"\n', encoding="utf-8")
        given = ["--profile", str(profile), "--entity", _ENTITY, "--through", last, "--on", ON, "--out", str(out)]
        try:
            return measure([*LETTRAGE, "export", "--store", str(store), *given])
        finally:
            profile.unlink()

    cases = []
    for name in (*FORMATS, *_IN_PART):
        last = str(through) if name in _IN_PART else "2026-12-31"
        source, lines = columns_of(data.work, table, name, last)
        jobs = [{"read": [str(source)], "to": f"{name}.{'parquet' if name == 'parquet' else 'csv'}"}]
        cases += [
            Case(f"limit: {name}", partial(lambda these, _: limit(data.work, these), jobs), "COPY of the same columns"),
            Case(name, partial(export, name, last), f"`lettrage export`, {_ENTITY}", lines, f"limit: {name}"),
        ]
        if name == "xlsx":
            program = [PYTHON, "-c", _XLSXWRITER, str(source), str(data.work / "x.xlsx")]
            writer = partial(lambda these, _: measure(these), program)
            cases.append(Case("XlsxWriter", writer, "its constant-memory mode", lines, "limit: xlsx"))
    return Part([*cases, *_payment_cases(data, store, out)])


def _payment_cases(data: Data, store: Path, out: Path) -> list[Case]:
    """The bank's file of an order."""
    payments = data.work / "payments.parquet"
    table = dumped(data) / "payments.parquet"
    duckdb.sql(f"copy (select * from '{table}' where payment_order = '{_ORDER}') to '{payments}'")
    jobs = [{"read": [str(payments)], "to": "payments.csv"}]

    def export(_: int) -> Cost:
        shutil.rmtree(out, ignore_errors=True)
        at = linked(store, data.work / "round")
        return measure([*LETTRAGE, "export", "--store", str(at), "--order", _ORDER, "--on", ON, "--out", str(out)])

    count = int(_rows(f"select count(*) from '{payments}'")[0][0])
    return [
        Case("limit: pain001", lambda _: limit(data.work, jobs), "COPY of the same payments"),
        Case("pain001", export, f"the bank's file of {_ORDER}", count, "limit: pain001"),
    ]


def columns_of(work: Path, table: Path, name: str, through: str) -> tuple[Path, int]:
    """A Parquet file of the columns that a format reads, and its rows; of labels, what they are looked up by."""
    present = {row[0] for row in _rows(f"describe select * from '{table}'")}
    axes = sorted(column for column in present if column.startswith("axis_"))
    loaded = load_format(name)
    wanted = sorted({*wanted_columns(loaded, axes), *(axes if loaded.has_every_axis else ()), "line_number"})
    wanted = [column for column in wanted if column in present or column in _STAND_INS]
    chosen = ", ".join(column if column in present else f"{_STAND_INS[column]} as {column}" for column in wanted)
    path = work / f"columns-{name}.parquet"
    of = f"where legal_entity = '{_ENTITY}' and entry_date <= '{through}'"
    duckdb.sql(f"copy (select {chosen} from '{table}' {of}) to '{path}'")
    return path, int(_rows(f"select count(*) from '{path}'")[0][0])


def _rows(query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as con:
        return con.execute(query).fetchall()
