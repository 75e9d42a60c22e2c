"""The data dictionary, made from the models: `python -m schemas.dictionary` writes schemas/README.md (make docs)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import schemas
from schemas.table import Column, Form, Table, columns, key

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = Path(__file__).parent / "README.md"

_GROUPS: tuple[tuple[str, str, Mapping[str, type[Table]]], ...] = (
    (
        "Reference tables",
        "What a company is. `--reference` names a directory with all of them; each run reads them anew.",
        schemas.REFERENCE,
    ),
    (
        "Movement tables",
        "What is new or changed. `--batch` names a directory with any of them; a table that is missing is empty.",
        schemas.MOVEMENTS,
    ),
    (
        "Ledger tables",
        "What `lettrage dump` writes, one Parquet file a table, rows by key, and what every export reads.",
        schemas.LEDGER,
    ),
    (
        "Stored kinds",
        "What the ledger store keeps ([how](../docs/store.md)), for the program: lines, and the state that runs read.",
        schemas.STORED,
    ),
)

#: how a cell of a form is written in a CSV file, and the type that it has in Parquet
_TYPES = {
    Form.TEXT: ("text", "VARCHAR"),
    Form.ENUM: ("one of its values", "VARCHAR"),
    Form.INTEGER: ("whole number", "INTEGER"),
    Form.BIGINT: ("whole number", "BIGINT"),
    Form.BOOLEAN: ("`true` or `false`", "BOOLEAN"),
    Form.DATE: ("day, `2026-01-31`", "DATE"),
    Form.TIMESTAMP: ("instant in UTC", "TIMESTAMP"),
    Form.MONTH_DAY: ("day of a year, `04-01`", "VARCHAR"),
    Form.AMOUNT: ("amount, in whole units of its currency; no more decimals than the currency has", "DECIMAL(18, 4)"),
    Form.EXCHANGE_RATE: ("rate, up to 8 decimals", "DECIMAL(18, 8)"),
    Form.RATE: ("percent, up to 3 decimals", "DECIMAL(6, 3)"),
    Form.PERCENT: ("percent, up to 4 decimals", "DECIMAL(7, 4)"),
}

_HEAD = """\
# The data dictionary

Written by `make docs` from the models beside it; a test fails while it is stale. Mend a model, not this page.

A column is **required** where its cell has to be filled. **Key** numbers the columns that name a row, in the order in
which tables are sorted. An empty cell of a CSV file is null; amounts, rates and percentages are exact decimals.

## Forms

| form | in CSV and XLSX | in Parquet |
| --- | --- | --- |
"""


def dictionary() -> str:
    """Returns the page: every table of `schemas`, every column with its form, meaning and values."""
    page = [_HEAD + "".join(f"| {form} | {written} | {stored} |\n" for form, (written, stored) in _TYPES.items())]
    page.append("## Tables\n\n" + "".join(_contents(title, tables) for title, _, tables in _GROUPS))
    for title, about, tables in _GROUPS:
        page.append(f"## {title}\n\n{about}\n")
        page += [_section(name, model, title) for name, model in tables.items()]
    return "\n".join(page)


def _contents(title: str, tables: Mapping[str, type[Table]]) -> str:
    return f"- **{title}**: {', '.join(f'`{name}`' for name in tables)}\n"


def _section(name: str, model: type[Table], group: str) -> str:
    heading = f"### {name}" if group != "Stored kinds" else f"### stored {name}"
    keyed = {column: str(place) for place, column in enumerate(key(model), start=1)}
    about = " ".join((model.__doc__ or "").split())
    lines = [
        heading,
        "",
        about,
        "",
        "| column | form | required | key | meaning | values |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    plain = {column.name: column for column in columns(model)}
    for column_name, column in model.to_schema().columns.items():
        if column.regex:  # `axis_<axis>` stands for as many columns as there are axes
            described = Column("axis_<axis>", Form.TEXT, required=False, description=column.description or "")
        else:
            described = plain[column_name]
        cells = (
            f"`{described.name}`",
            str(described.form),
            "yes" if described.required else "",
            keyed.get(described.name, ""),
            _cell(described.description),
            _allowed(described, column.checks),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines).replace("|  |", "| |").replace("|  |", "| |") + "\n"


def _allowed(column: Column, checks: list[object]) -> str:
    """The values that a column may take: those of an enum, else its bounds or pattern."""
    if column.values:
        return ", ".join(f"`{value}`" for value in column.values)
    said = []
    for check in checks:
        statistics = getattr(check, "statistics", None) or {}
        wording = {
            "greater_than_or_equal_to": "at least {min_value}",
            "greater_than": "above {min_value}",
            "less_than_or_equal_to": "at most {max_value}",
            "less_than": "below {max_value}",
            "str_matches": "`{pattern}`",
        }
        words = wording.get(str(getattr(check, "name", "")))
        if words is not None:
            said.append(
                _cell(words.format(**{name: getattr(value, "pattern", value) for name, value in statistics.items()}))
            )
    return ", ".join(said)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Writes the page."""
    PAGE.write_text(dictionary(), encoding="utf-8")


if __name__ == "__main__":
    main()
