"""Cells of text made into values: the columns of spec §2, row by row, and the reference tables."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

from tests.oracle.currencies import MINOR_UNITS

Rows = list[dict[str, str | None]]
Tables = dict[str, Rows]

TEXT, VERSION, SPLIT, DAY, AMOUNT, EXCHANGE_RATE, RATE, PERCENT, BOOLEAN, MONTH_DAY = (
    "text",
    "version",
    "split",
    "day",
    "amount",
    "exchange_rate",
    "rate",
    "percent",
    "boolean",
    "month_day",
)


def one_of(*words: str) -> frozenset[str]:
    """Makes the form of a column that holds one of some words."""
    return frozenset(words)


Form = str | frozenset[str]

# (column, form, required), the columns in the order of the spec.
MOVEMENTS: dict[str, list[tuple[str, Form, bool]]] = {
    "expense_reports": [
        ("report", TEXT, True),
        ("version", VERSION, True),
        ("employee", TEXT, True),
        ("status", one_of("draft", "declared", "approved", "cancelled"), True),
        ("declared_on", DAY, True),
        ("modified_on", DAY, False),
        ("label", TEXT, False),
    ],
    "expenses": [
        ("report", TEXT, True),
        ("version", VERSION, True),
        ("expense", TEXT, True),
        ("legal_entity", TEXT, False),
        ("incurred_on", DAY, True),
        ("expense_type", TEXT, True),
        ("payment_method", TEXT, True),
        ("currency", TEXT, True),
        ("exchange_rate", EXCHANGE_RATE, False),
        ("gross", AMOUNT, True),
        ("label", TEXT, False),
    ],
    "expense_taxes": [
        ("report", TEXT, True),
        ("version", VERSION, True),
        ("expense", TEXT, True),
        ("vat_code", TEXT, True),
        ("taxed_gross", AMOUNT, False),
        ("vat_amount", AMOUNT, False),
    ],
    "allocations": [
        ("report", TEXT, True),
        ("version", VERSION, True),
        ("expense", TEXT, True),
        ("split", SPLIT, True),
        ("percent", PERCENT, True),
        ("axis", TEXT, True),
        ("section", TEXT, True),
    ],
    "advances": [
        ("advance", TEXT, True),
        ("version", VERSION, True),
        ("employee", TEXT, True),
        ("legal_entity", TEXT, True),
        ("status", one_of("active", "cancelled"), True),
        ("kind", one_of("one_time", "regular", "third_party"), True),
        ("movement", one_of("grant", "reimbursement"), True),
        ("occurred_on", DAY, True),
        ("modified_on", DAY, False),
        ("amount", AMOUNT, True),
        ("compensation", TEXT, True),
        ("label", TEXT, False),
    ],
    "payment_orders": [
        ("payment_order", TEXT, True),
        ("version", VERSION, True),
        ("legal_entity", TEXT, True),
        ("status", one_of("active", "cancelled"), True),
        ("created_on", DAY, True),
        ("cutoff_on", DAY, True),
        ("modified_on", DAY, False),
        ("bank_account", TEXT, False),
    ],
    "payment_exclusions": [
        ("payment_order", TEXT, True),
        ("report", TEXT, False),
        ("employee", TEXT, False),
    ],
    "payment_returns": [
        ("payment_order", TEXT, True),
        ("employee", TEXT, True),
        ("returned_on", DAY, True),
        ("reason", TEXT, False),
    ],
}

KEYS: dict[str, tuple[str, ...]] = {
    "expense_reports": ("report", "version"),
    "expenses": ("report", "version", "expense"),
    "expense_taxes": ("report", "version", "expense", "vat_code"),
    "allocations": ("report", "version", "expense", "split", "axis"),
    "advances": ("advance", "version"),
    "payment_orders": ("payment_order", "version"),
    "payment_exclusions": ("payment_order", "report", "employee"),
    "payment_returns": ("payment_order", "employee"),
}

JOURNALS = one_of("expense_report", "company_paid", "payment", "advance", "advance_imputation")
ROLES = one_of(
    "charge",
    "vat",
    "employee",
    "advance_one_time",
    "advance_regular",
    "company_paid",
    "advance_compensation",
    "payment_compensation",
)

REFERENCE: dict[str, list[tuple[str, Form, bool]]] = {
    "legal_entities": [
        ("legal_entity", TEXT, True),
        ("name", TEXT, True),
        ("country", TEXT, True),
        ("currency", TEXT, True),
        ("siren", TEXT, False),
        ("fiscal_year_start", MONTH_DAY, False),
        ("closed_through", DAY, False),
        ("payment_mode", one_of("sepa", "list", "at_export"), True),
        ("approval", one_of("none", "required"), True),
        ("iban", TEXT, False),
        ("bic", TEXT, False),
    ],
    "journals": [
        ("legal_entity", TEXT, True),
        ("journal", JOURNALS, True),
        ("code", TEXT, True),
        ("label", TEXT, True),
    ],
    "employees": [
        ("employee", TEXT, True),
        ("name", TEXT, True),
        ("first_name", TEXT, False),
        ("last_name", TEXT, False),
        ("auxiliary", TEXT, False),
        ("department", TEXT, False),
        ("iban", TEXT, False),
        ("bic", TEXT, False),
        ("email", TEXT, False),
    ],
    "affiliations": [("employee", TEXT, True), ("legal_entity", TEXT, True), ("valid_from", DAY, True)],
    "chart_of_accounts": [
        ("legal_entity", TEXT, True),
        ("role", ROLES, True),
        ("key", TEXT, True),
        ("employee", TEXT, True),
        ("account", TEXT, True),
        ("auxiliary", TEXT, False),
        ("label", TEXT, False),
    ],
    "vat_codes": [("vat_code", TEXT, True), ("rate", RATE, True), ("recoverable_percent", RATE, True)],
    "payment_methods": [
        ("legal_entity", TEXT, True),
        ("payment_method", TEXT, True),
        ("counterpart", one_of("report", "expense"), True),
    ],
    "bank_accounts": [
        ("legal_entity", TEXT, True),
        ("bank_account", TEXT, True),
        ("name", TEXT, False),
        ("iban", TEXT, False),
        ("bic", TEXT, False),
    ],
    "axes": [
        ("axis", TEXT, True),
        ("name", TEXT, True),
        ("parent_axis", TEXT, False),
        ("required", BOOLEAN, True),
        ("active_from", DAY, False),
        ("active_to", DAY, False),
        ("owner", TEXT, False),
    ],
    "sections": [
        ("axis", TEXT, True),
        ("section", TEXT, True),
        ("name", TEXT, True),
        ("parent_section", TEXT, False),
        ("active_from", DAY, False),
        ("active_to", DAY, False),
        ("owner", TEXT, False),
    ],
    "section_rights": [
        ("axis", TEXT, True),
        ("section", TEXT, True),
        ("employee", TEXT, False),
        ("department", TEXT, False),
        ("legal_entity", TEXT, False),
        ("valid_from", DAY, False),
        ("valid_to", DAY, False),
    ],
}

REFERENCE_KEYS: dict[str, tuple[str, ...]] = {
    "legal_entities": ("legal_entity",),
    "journals": ("legal_entity", "journal"),
    "employees": ("employee",),
    "affiliations": ("employee", "valid_from"),
    "chart_of_accounts": ("legal_entity", "role", "key", "employee"),
    "vat_codes": ("vat_code",),
    "payment_methods": ("legal_entity", "payment_method"),
    "bank_accounts": ("legal_entity", "bank_account"),
    "axes": ("axis",),
    "sections": ("axis", "section"),
    "section_rights": ("axis", "section", "employee", "department", "legal_entity", "valid_from"),
}


class MalformedError(Exception):
    """The text of a cell is not of its column's form."""


def decimal_value(text: str, whole_digits: int, decimals: int) -> Fraction:
    """Reads a decimal with no more digits than given, trailing zeros apart (spec §2, precision)."""
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        raise MalformedError
    whole, _, part = text.lstrip("-").partition(".")
    if len(whole.lstrip("0")) > whole_digits or len(part.rstrip("0")) > decimals:
        raise MalformedError
    return Fraction(text)


def decimals_of(value: Fraction) -> int:
    """Counts the decimals that a decimal value needs."""
    count = 0
    while (value * 10**count).denominator != 1:
        count += 1
    return count


def value_of(text: str, form: Form) -> Any:
    """Reads one cell that is not empty; raises MalformedError."""
    if isinstance(form, frozenset):
        if text not in form:
            raise MalformedError
        return text
    if form == TEXT:
        return text
    if form in (VERSION, SPLIT):
        if not re.fullmatch(r"[0-9]+", text) or not 1 <= int(text) < 2**31:
            raise MalformedError
        return int(text)
    if form == DAY:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise MalformedError
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise MalformedError from None
    if form == AMOUNT:
        return decimal_value(text, 14, 4)
    if form == EXCHANGE_RATE:
        return decimal_value(text, 10, 8)
    if form == RATE:
        return decimal_value(text, 3, 3)
    if form == PERCENT:
        percent = decimal_value(text, 3, 4)
        if percent <= 0:
            raise MalformedError
        return percent
    if form == BOOLEAN:
        if text not in ("true", "false"):
            raise MalformedError
        return text == "true"
    if form == MONTH_DAY:
        if not re.fullmatch(r"[0-9]{2}-[0-9]{2}", text):
            raise MalformedError
        try:
            date(2000, int(text[:2]), int(text[3:]))
        except ValueError:
            raise MalformedError from None
        return int(text[:2]), int(text[3:])
    raise AssertionError(form)


@dataclass(eq=False)
class Row:
    """A row of a movement table: its cells, what they say, and what is wrong with them taken alone."""

    table: str
    cells: dict[str, str | None]
    values: dict[str, Any] = field(default_factory=dict)
    form: list[tuple[str, str]] = field(default_factory=list)  # (rule, column)

    def __getitem__(self, column: str) -> Any:
        """Gives the value of a column: None where the cell is empty or malformed."""
        return self.values[column]

    @property
    def key(self) -> tuple[Any, ...] | None:
        """Gives the key's values, None where one of them cannot be read or is missing."""
        key = tuple(self.values[column] for column in KEYS[self.table])
        if self.table == "payment_exclusions":
            return key
        return None if None in key else key

    @property
    def key_text(self) -> str:
        """Gives the key as the quarantine shows it, the cells as they came."""
        return "|".join(self.cells[column] or "" for column in KEYS[self.table])

    def is_malformed(self, column: str) -> bool:
        """Tells whether the column's cell holds something that could not be read."""
        return self.cells[column] is not None and self.values[column] is None


def read_row(table: str, cells: dict[str, str | None]) -> Row:
    """Reads one row of a movement table: type, enum and presence of every cell."""
    row = Row(table, {column: cells.get(column) or None for column, _, _ in MOVEMENTS[table]})
    for column, form, required in MOVEMENTS[table]:
        text = row.cells[column]
        row.values[column] = None
        if text is None:
            if required:
                row.form.append(("missing_value", column))
            continue
        try:
            row.values[column] = value_of(text, form)
        except MalformedError:
            row.form.append(("malformed_value", column))
    return row


class BrokenReferenceError(Exception):
    """The reference tables are broken (spec §2): the run fails, nothing is judged."""


Reference = dict[str, list[dict[str, Any]]]


def read_reference(tables: Tables) -> Reference:
    """Reads the reference tables, with defaults; raises BrokenReferenceError naming every broken row."""
    wrong: list[str] = []
    reference: Reference = {}
    for table, columns in REFERENCE.items():
        rows: list[dict[str, Any]] = []
        keys: set[tuple[Any, ...]] = set()
        for number, cells in enumerate(tables.get(table, []), start=1):
            row: dict[str, Any] = {}
            for column, form, required in columns:
                text = cells.get(column) or None
                row[column] = None
                if text is None:
                    if required:
                        wrong.append(f"{table} {number}: {column} is missing")
                    continue
                try:
                    row[column] = value_of(text, form)
                except MalformedError:
                    wrong.append(f"{table} {number}: {column} {text!r}")
            key = tuple(row[column] for column in REFERENCE_KEYS[table])
            if key in keys:
                wrong.append(f"{table} {number}: {key} stands twice")
            keys.add(key)
            rows.append(row)
        reference[table] = rows
    for employee in reference["employees"]:
        employee["auxiliary"] = employee["auxiliary"] or employee["employee"]
    for entity in reference["legal_entities"]:
        entity["fiscal_year_start"] = entity["fiscal_year_start"] or (1, 1)
    wrong += broken_links(reference)
    if wrong:
        raise BrokenReferenceError("; ".join(wrong))
    return reference


def broken_links(reference: Reference) -> list[str]:
    """Lists what points nowhere or in a circle in the reference tables."""
    wrong: list[str] = []
    for row in reference["legal_entities"]:
        if row["currency"] not in MINOR_UNITS:
            wrong.append(f"legal_entities: {row['legal_entity']} counts in {row['currency']}")
        if row["payment_mode"] == "sepa" and row["currency"] != "EUR":
            wrong.append(f"legal_entities: {row['legal_entity']} pays by sepa in {row['currency']}")
    parents = {row["axis"]: row["parent_axis"] for row in reference["axes"]}
    for axis, parent_axis in parents.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,29}", axis or ""):
            wrong.append(f"axes: {axis}")
        seen = {axis}
        above = parent_axis
        while above is not None:
            if above in seen or above not in parents:
                wrong.append(f"axes: {axis} under {above}")
                break
            seen.add(above)
            above = parents[above]
    sections = {(row["axis"], row["section"]) for row in reference["sections"]}
    for row in reference["sections"]:
        if row["axis"] not in parents:
            wrong.append(f"sections: axis {row['axis']}")
        elif row["parent_section"] is not None and (parents[row["axis"]], row["parent_section"]) not in sections:
            wrong.append(f"sections: {row['axis']} {row['section']} under {row['parent_section']}")
    for row in reference["section_rights"]:
        if (row["axis"], row["section"]) not in sections:
            wrong.append(f"section_rights: {row['axis']} {row['section']}")
        if sum(row[column] is not None for column in ("employee", "department", "legal_entity")) != 1:
            wrong.append(f"section_rights: {row}")
    return wrong
