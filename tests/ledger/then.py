"""What the books were on a day, told a second time in plain Python from the tables of a dump."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

Rows = list[dict[str, Any]]
LINE = ("legal_entity", "journal_code", "fiscal_year", "entry_number", "line_number")
LETTERING = ("legal_entity", "employee", "lettering")
_ROLES = {"employee": "third_party", "advance_one_time": "advance_one_time", "advance_regular": "advance_regular"}


def of(row: dict[str, Any], columns: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(row[column] for column in columns)


def days_of(tables: dict[str, Rows]) -> list[date]:
    """The days on which something happens in the books."""
    found = {line["entry_date"] for line in tables["entry_lines"]}
    for lettering in tables["letterings"]:
        found |= {lettering["lettered_on"], lettering["delettered_on"] or lettering["lettered_on"]}
    return sorted(found)


def books_on(tables: dict[str, Rows], day: date) -> dict[str, Rows]:
    """The tables at the end of a day, and what is open then."""
    dated = {of(line, LINE): line["entry_date"] for line in tables["entry_lines"]}
    held = defaultdict(list)
    for row in tables["lettering_lines"]:
        held[of(row, LETTERING)].append(of(row, LINE))
    letterings = [
        row | {name: None for name in ("delettered_on", "delettered_run") if not _by(row["delettered_on"], day)}
        for row in tables["letterings"]
        if row["lettered_on"] <= day and all(dated[line] <= day for line in held[of(row, LETTERING)])
    ]
    in_force = {line: row for row in letterings if row["delettered_on"] is None for line in held[of(row, LETTERING)]}
    lines = []
    for line in tables["entry_lines"]:
        if line["entry_date"] <= day:
            lettering = in_force.get(of(line, LINE), {})
            lines.append(line | {name: lettering.get(name) for name in ("lettering", "lettered_on")})
    made = {of(row, LETTERING) for row in letterings}
    return {
        "entry_lines": lines,
        "letterings": letterings,
        "lettering_lines": [row for row in tables["lettering_lines"] if of(row, LETTERING) in made],
        "balances": _balances(lines),
        "employee_accounts": _employee_accounts(lines),
        "payments": _payments(tables["payments"], lines),
        "open_items": [line for line in lines if line["role"] == "employee" and line["lettering"] is None],
    }


def _by(day: date | None, other: date) -> bool:
    return day is not None and day <= other


def _balances(lines: Rows) -> Rows:
    sums: dict[tuple[Any, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for line in lines:
        account = sums[of(line, ("legal_entity", "account", "auxiliary"))]
        account[0] += line["debit"]
        account[1] += line["credit"]
    return [
        {
            "legal_entity": entity,
            "account": account,
            "auxiliary": auxiliary,
            "debit": debit,
            "credit": credit,
            "balance": debit - credit,
        }
        for (entity, account, auxiliary), (debit, credit) in sums.items()
    ]


def _employee_accounts(lines: Rows) -> Rows:
    accounts: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in lines:
        if line["role"] in _ROLES:
            whose = of(line, ("legal_entity", "employee"))
            empty = {"legal_entity": whose[0], "employee": whose[1], **dict.fromkeys(_ROLES.values(), Decimal(0))}
            accounts.setdefault(whose, empty)[_ROLES[line["role"]]] += line["debit"] - line["credit"]
    return list(accounts.values())


def _payments(payments: Rows, lines: Rows) -> Rows:
    entry = ("legal_entity", "journal_code", "fiscal_year", "entry_number")
    posted = {of(line, entry) for line in lines}
    taken_back = {
        (line["legal_entity"], line["journal_code"], line["reverses_fiscal_year"], line["reverses"])
        for line in lines
        if line["reversal"]
    }
    return [
        row | ({} if of(row, entry) in taken_back else {"status": "paid"})
        for row in payments
        if of(row, entry) in posted
    ]
