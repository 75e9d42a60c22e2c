"""Lines, formats and files for tests: a line with what a test gives it, the rest of an ordinary one."""

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from pipeline.exports import columns
from pipeline.exports.entries import Axes
from pipeline.exports.expressions import POLARS
from pipeline.exports.format import LoadedFormat, parse_format
from pipeline.exports.render import Sums
from pipeline.exports.write import File, Files, Group, Sink, write_payments

SCHEMA: dict[str, pl.DataType] = {
    **{name: POLARS[column.type] for name, column in columns.LINES.items()},
    "axis_project": pl.String(),
    "currency_digits": pl.Int32(),
    "foreign_digits": pl.Int32(),
}
LINE: dict[str, Any] = {
    "legal_entity": "FR01",
    "journal": "expense_report",
    "journal_code": "NDF",
    "journal_label": "Notes de frais",
    "fiscal_year": 2026,
    "entry_number": 1,
    "entry_date": date(2026, 1, 12),
    "document_kind": "expense_report",
    "document": "R1",
    "version": 1,
    "document_date": date(2026, 1, 12),
    "reversal": False,
    "employee": "E1",
    "employee_name": "Ada Moreau",
    "role": "charge",
    "account": "625100",
    "account_label": "Travel",
    "third_party": False,
    "label": "Train",
    "currency": "EUR",
    "currency_digits": 2,
    "run": 1,
}


def lines(*given: dict[str, Any]) -> pl.DataFrame:
    """A frame of lines, numbered 1, 2, 3…; `amount` alone says debit, credit and side."""
    made = []
    for number, cells in enumerate(given, start=1):
        amount = Decimal(cells.get("amount", "100"))
        sides = {
            "amount": amount,
            "side": "D" if amount > 0 else "C",
            "side_amount": abs(amount),
            "debit": max(amount, Decimal(0)),
            "credit": max(-amount, Decimal(0)),
        }
        line = {"line_number": number, **LINE, **sides, **cells} | {"amount": amount}
        for name in ("foreign_amount",):
            if name in line:
                line[name] = Decimal(line[name])
        made.append(dict.fromkeys(SCHEMA) | line)
    return pl.DataFrame(made, schema=SCHEMA, orient="row")


def a_format(fields: str, **keys: str) -> LoadedFormat:
    """A format of TOML text; keys are TOML values."""
    said = {"title": '"T"', "source": '"test"', "kind": '"delimited"', "file": "\"'f.txt'\"", **keys}
    head = "\n".join(f"{name} = {value}" for name, value in said.items())
    return parse_format("test", f"{head}\n{fields}")


def field(**keys: str) -> str:
    """A [[field]]; keys are TOML values, `from_` stands for `from`."""
    return "\n[[field]]\n" + "\n".join(f"{name.removesuffix('_')} = {value}" for name, value in keys.items())


def made(loaded: LoadedFormat, *batches: pl.DataFrame, facts: dict[str, Any] | None = None) -> bytes:
    """What a format makes of lines."""
    return made_file(loaded, *batches, facts=facts).content


def made_file(loaded: LoadedFormat, *batches: pl.DataFrame, facts: dict[str, Any] | None = None) -> File:
    (file,) = made_files(loaded, *batches, facts=facts)
    return file


def made_files(loaded: LoadedFormat, *batches: pl.DataFrame, facts: dict[str, Any] | None = None) -> list[File]:
    """The files that a format makes of lines, or of payments."""
    about = {"entity_name": "Alpha", "legal_entity": "FR01", "currency_digits": 2, **(facts or {})}
    if loaded.format.of == "payments":
        sink = Sink(None, "f")
        write_payments(loaded, batches[0], about, sink)
        return [sink.put()]
    totals = [{"journal_code": "NDF", "entries": 1, "debit": Decimal(1), "credit": Decimal(1), "currency_digits": 2}]
    files = Files(loaded, None, Axes(["axis_project"], LABELS))
    accounts = pl.concat(batches).select(columns.ACCOUNT_COLUMNS).unique().sort(pl.all()) if batches else None
    files.write(Group(about, totals, sums_of(*batches), lambda: batches, lambda: accounts))
    return files.files()


def sums_of(*batches: pl.DataFrame) -> Sums:
    """What lines add up to."""
    every = pl.concat(batches) if batches else lines()
    entries = every.select("journal_code", "fiscal_year", "entry_number").n_unique()
    return Sums(len(every), entries, every["debit"].sum() or Decimal(0), every["credit"].sum() or Decimal(0))


LABELS = pl.DataFrame({"axis": ["axis_project"], "section": ["P1"], "section_label": ["First"]})


def stream(content: bytes) -> io.BytesIO:
    return io.BytesIO(content)
