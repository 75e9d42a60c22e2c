"""Small nasty companies, made from a seed: reference tables and the batches that they go with.

`company(seed, size)` gives the same company for the same seed on any machine. Each batch comes with its own
reference tables, since charts, closed periods, employees and IBANs change between runs. Batches mix what is right
with what belongs in quarantine; how much of the latter depends on the seed, so that some companies are clean.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from hypothesis import strategies as st

from tests.oracle.currencies import MINOR_UNITS
from tests.oracle.reading import MOVEMENTS, REFERENCE, Rows, Tables

Cells = dict[str, str | None]

IBANS = (
    "FR1420041010050500013M02606",
    "FR7630006000011234567890189",
    "DE89370400440532013000",
    "CH9300762011623852957",
)
BAD_IBANS = ("FR7630006000011234567890188", "TN5910006035183598478831", "no iban", None)
EMPLOYEES = ("E1", "E2", "e3", "É4", "E10")
EXPENSE_TYPES = ("meal", "hotel", "train", "fuel")
VAT_CODES = ("FR20", "FR10", "FR55", "FUEL", "HOTEL", "NULL", "TN19")
SECTIONS = (
    ("client", "C1", None),
    ("client", "C2", None),
    ("client", "C3", None),
    ("project", "P1", "C1"),
    ("project", "P2", "C2"),
    ("project", "P3", None),
    ("task", "T1", "P1"),
    ("task", "T2", "P3"),
    ("phase", "H1", "P1"),
    ("phase", "H2", "P2"),
    ("team", "X1", None),
    ("team", "X2", None),
)
AXES = {"client": None, "project": "client", "task": "project", "phase": "project", "team": None}
FIRST_DAY = date(2026, 1, 1)


@dataclass(frozen=True)
class Company:
    """A company: for each batch the reference tables of its run, and its movement tables."""

    seed: int
    size: int
    references: list[Tables]
    batches: list[Tables]


def company(seed: int, size: int = 1) -> Company:
    """Makes the company of a seed; `size` scales employees, documents and batches."""
    return Maker(seed, size).company()


def companies(max_size: int = 2) -> st.SearchStrategy[Company]:
    """Makes companies for hypothesis; it shrinks towards small seeds and sizes."""
    return st.builds(company, st.integers(0, 2**32 - 1), st.integers(1, max_size))


def write(made: Company, directory: Path) -> list[tuple[Path, Path]]:
    """Writes `reference-<n>/` and `batch-<n>/` of CSV files; gives their paths, a pair a run.

    A movement table without rows has no file; reference tables always have one.
    """
    pairs = []
    for number, (reference, batch) in enumerate(zip(made.references, made.batches, strict=True), start=1):
        pair = directory / f"reference-{number}", directory / f"batch-{number}"
        for folder, tables, models in ((pair[0], reference, REFERENCE), (pair[1], batch, MOVEMENTS)):
            folder.mkdir(parents=True, exist_ok=True)
            for table, columns in models.items():
                if models is REFERENCE or tables.get(table):
                    write_csv(folder / f"{table}.csv", [column for column, _, _ in columns], tables.get(table, []))
        pairs.append(pair)
    return pairs


def write_csv(path: Path, columns: list[str], rows: Rows) -> None:
    """Writes one table; None is an empty cell."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow(["" if row.get(column) is None else row[column] for column in columns])


@dataclass
class Sheet:
    """A document as its last version stands, to be modified by later batches."""

    kind: str
    id: str
    version: int
    rows: Tables = field(default_factory=dict)

    def copy(self) -> Sheet:
        """Copies the document with its rows."""
        rows = {table: [dict(row) for row in some] for table, some in self.rows.items()}
        return Sheet(self.kind, self.id, self.version, rows)

    @property
    def head(self) -> Cells:
        """Gives the document's own row."""
        return self.rows[{"report": "expense_reports", "advance": "advances", "order": "payment_orders"}[self.kind]][0]

    def number(self, version: int) -> None:
        """Gives the document another version."""
        self.version = version
        for rows in self.rows.values():
            for row in rows:
                if "version" in row:
                    row["version"] = str(version)


class Maker:
    """Makes one company; every choice comes from one random generator."""

    def __init__(self, seed: int, size: int) -> None:
        """Starts from nothing; how much goes wrong is drawn first."""
        self.seed, self.size = seed, size
        self.random = random.Random(seed * 1_000_003 + size)
        self.noise = self.random.choice([0.0, 0.0, 0.005, 0.015, 0.05])
        self.sheets: dict[tuple[str, str], Sheet] = {}
        self.entities: list[str] = []
        self.reference: Tables = {}
        self.day = FIRST_DAY

    def chance(self, share: float) -> bool:
        """Tells yes in a share of the cases."""
        return self.random.random() < share

    def wrong(self) -> bool:
        """Tells where something goes wrong, as often as this company's noise has it."""
        return self.chance(self.noise)

    def company(self) -> Company:
        """Makes the reference tables and batches."""
        self.reference = self.first_reference()
        count = self.random.choice([1, 2, 3, 3, 4])
        references: list[Tables] = []
        batches: list[Tables] = []
        for number in range(count):
            if number and self.chance(0.6):
                self.change_reference()
            if number and self.chance(0.12):
                batch = {table: [dict(row) for row in rows] for table, rows in batches[-1].items()}
            else:
                batch = self.batch(number)
            references.append({table: [dict(row) for row in rows] for table, rows in self.reference.items()})
            batches.append(batch)
            self.day += timedelta(days=self.random.randint(10, 40))
        return Company(self.seed, self.size, references, batches)

    # Reference tables

    def first_reference(self) -> Tables:
        """Makes the tables that the first run reads."""
        pick = self.random.choice
        self.entities = self.random.sample(["FR01", "FR02", "BE01", "TN01", "JP01"], self.random.randint(2, 4))
        if not {"FR01", "FR02", "BE01"} & set(self.entities):
            self.entities[0] = "FR01"
        reference: Tables = {table: [] for table in REFERENCE}
        for entity in self.entities:
            currency = {"TN01": "TND", "JP01": "JPY"}.get(entity, "EUR")
            reference["legal_entities"].append(
                {
                    "legal_entity": entity,
                    "name": f"Alpha {entity}",
                    "country": entity[:2],
                    "currency": currency,
                    "siren": None,
                    "fiscal_year_start": pick([None, "01-01", "04-01", "07-01", "02-15"]),
                    "closed_through": pick([None, None, "2025-12-31", "2026-01-15", "2026-02-10"]),
                    "payment_mode": pick(
                        ["sepa", "sepa", "list", "list", "at_export"] if currency == "EUR" else ["list"]
                    ),
                    "approval": pick(["none", "none", "required"]),
                    "iban": pick(IBANS) if self.chance(0.9) else pick(BAD_IBANS),
                    "bic": None,
                }
            )
        self.people(reference)
        self.chart(reference)
        self.analytics(reference)
        return reference

    def people(self, reference: Tables) -> None:
        """Makes employees and where they work."""
        pick = self.random.choice
        for employee in EMPLOYEES[: self.random.randint(2, min(5, 2 + self.size))]:
            reference["employees"].append(
                {
                    "employee": employee,
                    "name": f"Name {employee}",
                    "first_name": None,
                    "last_name": None,
                    "auxiliary": pick([None, f"AUX{employee}"]),
                    "department": pick([None, "sales", "it"]),
                    "iban": pick(IBANS) if self.chance(0.8) else pick(BAD_IBANS),
                    "bic": None,
                    "email": None,
                }
            )
            home = "2026-01-10" if self.chance(0.02 + self.noise) else "2024-01-01"
            days = {home, *(pick(["2026-01-20", "2026-02-15", "2026-03-01"]) for _ in range(pick([0, 0, 1, 2])))}
            for day in sorted(days):
                reference["affiliations"].append(
                    {"employee": employee, "legal_entity": pick(self.entities), "valid_from": day}
                )

    def chart(self, reference: Tables) -> None:
        """Makes chart, journals, VAT codes, methods and bank accounts, each with overrides and holes."""
        pick = self.random.choice

        def account(role: str, key: str, code: str, auxiliary: str | None = None, *, entity: str = "*") -> None:
            person = pick(EMPLOYEES[:2]) if self.chance(0.05) else "*"
            row = {"legal_entity": entity, "role": role, "key": key, "employee": person}
            if all(any(row[name] != other[name] for name in row) for other in reference["chart_of_accounts"]):
                reference["chart_of_accounts"].append({**row, "account": code, "auxiliary": auxiliary, "label": None})

        def base(role: str, key: str, code: str, auxiliary: str | None = None) -> None:
            if not self.chance(self.noise / 3):
                reference["chart_of_accounts"].append(
                    {
                        "legal_entity": "*",
                        "role": role,
                        "key": key,
                        "employee": "*",
                        "account": code,
                        "auxiliary": auxiliary,
                        "label": None,
                    }
                )
            if self.chance(0.25):
                account(role, key, f"{code}{{legal_entity}}", auxiliary, entity=pick(self.entities))
            if self.chance(0.1):
                account(role, key, f"{code}9", auxiliary, entity=pick(["*", *self.entities]))

        base("employee", "*", "421000", pick(["{auxiliary}", "{auxiliary}", "{employee}", None]))
        base("advance_one_time", "*", pick(["425000", "421000"]), "{employee}")
        base("advance_regular", "*", "425100", "{employee}")
        base("company_paid", "card", "467000", "{employee}")
        base("company_paid", "bank", "512000")
        base("advance_compensation", "cash", "530000")
        base("advance_compensation", "bank", pick(["512000", "512{key}"]))
        base("payment_compensation", "*", "512000")
        base("vat", "*", "445660")
        for expense_type in EXPENSE_TYPES:
            base("charge", expense_type, f"62{EXPENSE_TYPES.index(expense_type)}000")
        if self.chance(0.3):
            base("charge", "*", "628{key}")

        same_code = pick([None, "OD"])
        for journal in ("expense_report", "company_paid", "payment", "advance", "advance_imputation"):
            code = same_code if same_code and self.chance(0.6) else journal[:3].upper()
            if not self.chance(self.noise / 3):
                reference["journals"].append(
                    {"legal_entity": "*", "journal": journal, "code": code, "label": f"Journal {journal}"}
                )
            if self.chance(0.2):
                entity = pick(self.entities)
                reference["journals"].append(
                    {"legal_entity": entity, "journal": journal, "code": f"{journal[:2].upper()}X", "label": journal}
                )
        for code, rate, percent in (
            ("FR20", "20", "100"),
            ("FR10", "10.000", "100"),
            ("FR55", "5.5", "100"),
            ("FUEL", "20", "80"),
            ("HOTEL", "10", "0"),
            ("NULL", "0", "100"),
            ("TN19", "19", "33.333"),
        ):
            reference["vat_codes"].append({"vat_code": code, "rate": rate, "recoverable_percent": percent})
        for entity in ["*", *self.entities]:
            if self.chance(0.4):
                reference["payment_methods"].append(
                    {
                        "legal_entity": entity,
                        "payment_method": pick(["card", "bank"]),
                        "counterpart": pick(["expense", "report"]),
                    }
                )
        for entity in self.entities:
            for bank_account in ("BNP", "LBP"):
                if self.chance(0.5):
                    reference["bank_accounts"].append(
                        {
                            "legal_entity": entity,
                            "bank_account": bank_account,
                            "name": None,
                            "iban": pick(IBANS) if self.chance(0.85) else pick(BAD_IBANS),
                            "bic": None,
                        }
                    )
                    if self.chance(0.5):
                        account("payment_compensation", bank_account, f"512{bank_account}", entity=entity)

    def analytics(self, reference: Tables) -> None:
        """Makes axes, sections and who may use them."""
        pick = self.random.choice
        required = pick([None, None, None, None, "client", "team"])
        rare = 0.01 + self.noise / 4
        for axis, parent in AXES.items():
            reference["axes"].append(
                {
                    "axis": axis,
                    "name": axis.title(),
                    "parent_axis": parent,
                    "required": "true" if axis == required else "false",
                    "active_from": "2026-01-15" if axis == required and self.chance(0.3) else None,
                    "active_to": "2026-02-20" if axis == required and self.chance(0.3) else None,
                    "owner": None,
                }
            )
        for axis, section, parent in SECTIONS:
            reference["sections"].append(
                {
                    "axis": axis,
                    "section": section,
                    "name": section,
                    "parent_section": parent,
                    "active_from": "2026-01-05" if self.chance(rare) else None,
                    "active_to": "2026-02-01" if self.chance(rare) else None,
                    "owner": None,
                }
            )
            if self.chance(2 * rare):
                for _ in range(pick([1, 2, 3])):
                    right: Cells = {"axis": axis, "section": section, "employee": None, "department": None}
                    right["legal_entity"] = None
                    whose = pick(["employee", "department", "legal_entity"])
                    right[whose] = pick(
                        {"employee": EMPLOYEES[:2], "department": ("sales", "it"), "legal_entity": self.entities}[whose]
                    )
                    if all(any(right[name] != other[name] for name in right) for other in reference["section_rights"]):
                        days = {
                            "valid_from": "2026-01-20" if self.chance(0.2) else None,
                            "valid_to": "2026-02-10" if self.chance(0.2) else None,
                        }
                        reference["section_rights"].append({**right, **days})

    def change_reference(self) -> None:
        """Changes the reference tables as they change between runs."""
        pick = self.random.choice
        changes: list[Callable[[], None]] = [
            self.change_chart,
            self.close_period,
            self.remove_employee,
            self.mend_iban,
            self.move_employee,
            self.change_modes,
            self.mend_chart,
            self.change_auxiliary,
            self.change_auxiliary,
        ]
        for _ in range(pick([1, 1, 2, 3])):
            pick(changes)()

    def change_chart(self) -> None:
        """Gives a row of the chart another account."""
        rows = self.reference["chart_of_accounts"]
        third_party = [row for row in rows if row["role"] == "employee"]
        row = self.random.choice(third_party if third_party and self.chance(0.3) else rows)
        row["account"] = f"{row['account']}1"

    def change_auxiliary(self) -> None:
        """Gives an employee another auxiliary account."""
        if self.reference["employees"]:
            row = self.random.choice(self.reference["employees"])
            row["auxiliary"] = f"NEW{row['employee']}"

    def mend_chart(self) -> None:
        """Adds what the chart and the journals lack."""
        chart, journals = self.reference["chart_of_accounts"], self.reference["journals"]
        for role, key, code in (
            ("employee", "*", "421000"),
            ("advance_one_time", "*", "425000"),
            ("advance_regular", "*", "425100"),
            ("company_paid", "*", "467000"),
            ("advance_compensation", "*", "530000"),
            ("payment_compensation", "*", "512000"),
            ("vat", "*", "445660"),
            ("charge", "*", "628000"),
        ):
            row: Cells = {"legal_entity": "*", "role": role, "key": key, "employee": "*"}
            if all(any(row[name] != other[name] for name in row) for other in chart):
                chart.append({**row, "account": code, "auxiliary": None, "label": None})
        for journal in ("expense_report", "company_paid", "payment", "advance", "advance_imputation"):
            if all((row["legal_entity"], row["journal"]) != ("*", journal) for row in journals):
                journals.append({"legal_entity": "*", "journal": journal, "code": "ZZ", "label": journal})

    def close_period(self) -> None:
        """Closes a period of an entity."""
        row = self.random.choice(self.reference["legal_entities"])
        row["closed_through"] = (self.day + timedelta(days=self.random.randint(-20, 10))).isoformat()

    def remove_employee(self) -> None:
        """Lets an employee leave, with affiliations and rights."""
        if len(self.reference["employees"]) < 2:
            return
        leaver = self.random.choice(self.reference["employees"])["employee"]
        for table in ("employees", "affiliations", "section_rights"):
            self.reference[table] = [row for row in self.reference[table] if row["employee"] != leaver]

    def mend_iban(self) -> None:
        """Gives a valid IBAN to everybody and every account."""
        for table in ("employees", "bank_accounts", "legal_entities"):
            for row in self.reference[table]:
                if self.chance(0.8):
                    row["iban"] = IBANS[0]

    def move_employee(self) -> None:
        """Affiliates an employee with another entity, from a day of the past or to come."""
        if not self.reference["employees"]:
            return
        employee = self.random.choice(self.reference["employees"])["employee"]
        day = (self.day + timedelta(days=self.random.randint(-30, 20))).isoformat()
        rows = self.reference["affiliations"]
        if all((row["employee"], row["valid_from"]) != (employee, day) for row in rows):
            rows.append({"employee": employee, "legal_entity": self.random.choice(self.entities), "valid_from": day})

    def change_modes(self) -> None:
        """Changes how an entity pays, or what it asks for before it does."""
        row = self.random.choice(self.reference["legal_entities"])
        if row["currency"] == "EUR" and self.chance(0.5):
            row["payment_mode"] = self.random.choice(["sepa", "list", "at_export"])
        else:
            row["approval"] = self.random.choice(["none", "required"])

    # Batches

    def batch(self, number: int) -> Tables:
        """Makes one batch: new documents, later versions of old ones, orders, returns, and what is wrong."""
        sheets = [self.new_report() for _ in range(self.random.randint(2, 2 + 4 * self.size))]
        sheets += [self.new_advance() for _ in range(self.random.randint(0, 3 * self.size))]
        if number:
            for sheet in list(self.sheets.values()):
                if self.chance(0.45):
                    sheets += self.later_versions(sheet)
        elif self.chance(0.2) and sheets:
            sheets += self.later_versions(sheets[0])
        sheets += [
            self.mirror(sheet)
            for sheet in list(self.sheets.values())
            if number and sheet.kind == "report" and sheet.rows and self.chance(0.15)
        ]
        sheets += [self.new_order() for _ in range(self.random.choice([0, 1, 2, 2, 3]))]

        batch: Tables = {table: [] for table in MOVEMENTS}
        for sheet in sheets:
            for table, rows in sheet.rows.items():
                batch[table] += [dict(row) for row in rows]
        for sheet in sheets:
            known = self.sheets.get((sheet.kind, sheet.id))
            if known is None or known.version <= sheet.version:
                self.sheets[sheet.kind, sheet.id] = sheet.copy()
        self.returns(batch)
        self.spoil(batch)
        for rows in batch.values():
            self.random.shuffle(rows)
        return batch

    def new_id(self, kind: str) -> str:
        """Names a document; byte order, numbers and letter case disagree."""
        count = sum(some == kind for some, _ in self.sheets)
        while True:
            count += 1
            name = self.random.choice([f"{kind[0].upper()}{count}", f"{kind[0]}{count}", f"{kind[0].upper()}-{count}é"])
            if (kind, name) not in self.sheets:
                # The place is taken at once, so that a batch does not name two documents alike.
                self.sheets[kind, name] = Sheet(kind, name, 0)
                return name

    def some_employee(self) -> str:
        """Picks an employee, now and then one that does not exist."""
        if self.wrong() or not self.reference["employees"]:
            return self.random.choice(["E99", *EMPLOYEES])
        return str(self.random.choice(self.reference["employees"])["employee"])

    def some_day(self, low: int = -15, high: int = 20) -> str:
        """Picks a day about the batch's."""
        return (self.day + timedelta(days=self.random.randint(low, high))).isoformat()

    def amount(self, decimals: int, *, negative: float = 0.1) -> Decimal:
        """Picks an amount, in whole minor units: small ones, so that roundings and ties occur; zeros too."""
        units = self.random.choice([0, 1, 5, 15, 100, 999, self.random.randint(1, 300), self.random.randint(1, 50_000)])
        value = Decimal(units).scaleb(-decimals)
        return -value if self.chance(negative) else value

    def text(self, value: Decimal) -> str:
        """Writes a decimal, now and then with zeros that do not count."""
        text = f"{value:f}"
        if self.chance(0.05):
            text += "0" if "." in text else ".0"
        return text

    def new_report(self) -> Sheet:
        """Makes a report with its expenses, taxes and allocations."""
        name = self.new_id("report")
        declared = self.some_day()
        sheet = Sheet("report", name, 1)
        sheet.rows["expense_reports"] = [
            {
                "report": name,
                "version": "1",
                "employee": self.some_employee(),
                "status": self.random.choice(
                    ["declared", "declared", "declared", "approved", "approved", "approved", "approved", "draft"]
                ),
                "declared_on": declared,
                "modified_on": None,
                "label": self.random.choice([None, None, f'Report "{name}", with commas']),
            }
        ]
        for table in ("expenses", "expense_taxes", "allocations"):
            sheet.rows[table] = []
        for number in range(1, 1 + self.random.choice([1, 1, 2, 3, 4])):
            self.add_expense(sheet, f"{number}")
        if self.wrong():
            for table in ("expenses", "expense_taxes", "allocations"):
                sheet.rows[table] = []
        return sheet

    def mirror(self, of: Sheet) -> Sheet:
        """Makes a report that takes another one back, amount by amount, so that the employee is owed nothing."""
        sheet = Sheet("report", self.new_id("report"), 1)
        sheet.rows = of.copy().rows
        sheet.number(1)
        for rows in sheet.rows.values():
            for row in rows:
                row["report"] = sheet.id
                for column in ("gross", "taxed_gross", "vat_amount"):
                    amount = row.get(column)
                    if amount is not None:
                        row[column] = amount.removeprefix("-") if amount.startswith("-") else f"-{amount}"
        sheet.head.update(status="approved", declared_on=self.some_day(), modified_on=None)
        return sheet

    def add_expense(self, sheet: Sheet, name: str) -> None:
        """Adds one expense to a report."""
        pick = self.random.choice
        entity = pick(self.entities) if self.chance(0.2) else None
        currencies = {row["legal_entity"]: str(row["currency"]) for row in self.reference["legal_entities"]}
        incurred = self.some_day(-25, 10)
        stays = entity or self.affiliation(sheet.head["employee"], incurred)
        own = currencies.get(stays, "EUR")
        currency = own if self.chance(0.7) else pick(["USD", "EUR", "TND", "JPY", "KWD"])
        rate: str | None = None
        if currency != own:
            rate = pick(["0.91234567", "3.3", "1", "0.5", "110.00000001", "0.0061", "1.000"])
        elif self.chance(0.2):
            rate = pick(["1", "1.0"])
        if self.wrong():
            rate = pick([None, "0", "-1", "2"])
        gross = self.amount(MINOR_UNITS[currency])
        key: Cells = {"report": sheet.id, "version": str(sheet.version), "expense": name}
        sheet.rows["expenses"].append(
            {
                **key,
                "legal_entity": "XX99" if self.wrong() else entity,
                "incurred_on": incurred,
                "expense_type": "yacht" if self.wrong() else pick(EXPENSE_TYPES),
                "payment_method": "crypto"
                if self.wrong()
                else pick(["personal", "personal", "personal", "card", "bank"]),
                "currency": "EURO" if self.wrong() else currency,
                "exchange_rate": rate,
                "gross": self.text(gross),
                "label": pick([None, f"label {name}"]),
            }
        )
        self.add_taxes(sheet, key, gross, MINOR_UNITS[currency])
        self.add_allocations(sheet, key)

    def affiliation(self, employee: str | None, day: str) -> str | None:
        """Gives where an employee belongs on a day."""
        rows = [
            row
            for row in self.reference["affiliations"]
            if row["employee"] == employee and str(row["valid_from"]) <= day
        ]
        return max(rows, key=lambda row: str(row["valid_from"]))["legal_entity"] if rows else None

    def add_taxes(self, sheet: Sheet, key: Cells, gross: Decimal, decimals: int) -> None:
        """Adds the VAT codes of an expense."""
        codes = self.random.sample(VAT_CODES, self.random.choice([0, 0, 1, 1, 1, 2, 3]))
        left = int(gross.scaleb(decimals))
        for code in codes:
            taxed: Decimal | None = None
            vat: Decimal | None = None
            how = self.random.choice(["sole", "taxed", "taxed", "vat", "both"])
            if len(codes) > 1 and how == "sole":
                how = "taxed"
            if how in ("taxed", "both"):
                part = self.random.randint(0, abs(left))
                left = left - part if left >= 0 else left + part
                taxed = Decimal(part if gross >= 0 else -part).scaleb(-decimals)
            if how in ("vat", "both"):
                part = abs(int(gross.scaleb(decimals))) // self.random.choice([6, 11, 20])
                vat = Decimal(part if gross >= 0 else -part).scaleb(-decimals)
            if self.wrong():
                taxed, vat = self.random.choice(
                    [(gross + 1, None), (None, -gross - 1), (-gross, gross), (None, None), (taxed, gross * 2)]
                )
            sheet.rows["expense_taxes"].append(
                {
                    **key,
                    "vat_code": "XX" if self.wrong() else code,
                    "taxed_gross": None if taxed is None else self.text(taxed),
                    "vat_amount": None if vat is None else self.text(vat),
                }
            )

    def add_allocations(self, sheet: Sheet, key: Cells) -> None:
        """Adds the splits of an expense, each with one section or several that go together."""
        required = {str(row["axis"]) for row in self.reference["axes"] if row["required"] == "true"}
        if not required and self.chance(0.6):
            return
        splits = self.random.choice(
            [["100"], ["50", "50.0"], ["33.3333", "33.3333", "33.3334"], ["99.9999", "0.0001"], ["12.5"] * 8]
        )
        for place, percent in enumerate(splits):
            split = str(place + 1 if self.chance(0.9) or len(splits) > 3 else 10 * (len(splits) - place))
            chosen: dict[str, str] = {}
            for axis in self.random.sample(list(AXES), self.random.choice([1, 1, 2, 3])):
                chosen[axis] = self.random.choice([section for where, section, _ in SECTIONS if where == axis])
            for axis in required:
                chosen.setdefault(
                    axis, self.random.choice([section for where, section, _ in SECTIONS if where == axis])
                )
            if not self.chance(self.noise):
                chosen = fitting(chosen, required)
            for axis, section in chosen.items():
                sheet.rows["allocations"].append(
                    {
                        **key,
                        "split": split,
                        "percent": self.random.choice(["40", "100.0001", "0", "-5"]) if self.wrong() else percent,
                        "axis": "planet" if self.wrong() else axis,
                        "section": "nowhere" if self.wrong() else section,
                    }
                )

    def new_advance(self) -> Sheet:
        """Makes a grant, a reimbursement, or what an employee in debit pays in."""
        pick = self.random.choice
        name = self.new_id("advance")
        kind = pick(["one_time", "one_time", "one_time", "regular", "third_party"])
        employee, day = self.some_employee(), self.some_day()
        entity = self.affiliation(employee, day) or pick(self.entities)
        sheet = Sheet("advance", name, 1)
        amount = self.amount(self.decimals(entity), negative=0)
        if amount == 0 and not self.wrong():
            amount = Decimal(100)
        sheet.rows["advances"] = [
            {
                "advance": name,
                "version": "1",
                "employee": employee,
                "legal_entity": "XX99" if self.wrong() else entity,
                "status": "active" if self.chance(0.95) else "cancelled",
                "kind": kind,
                "movement": "reimbursement" if kind == "third_party" else pick(["grant", "grant", "reimbursement"]),
                "occurred_on": day,
                "modified_on": None,
                "amount": self.text(-amount if self.wrong() else amount),
                "compensation": "moon" if self.wrong() else pick(["cash", "bank"]),
                "label": pick([None, f"Advance {name}"]),
            }
        ]
        return sheet

    def decimals(self, entity: str | None) -> int:
        """Gives the decimals of an entity's currency."""
        for row in self.reference["legal_entities"]:
            if row["legal_entity"] == entity:
                return MINOR_UNITS[str(row["currency"])]
        return 2

    def new_order(self) -> Sheet:
        """Makes a payment order, with what it leaves out."""
        name = self.new_id("order")
        homes = [str(row["legal_entity"]) for row in self.reference["affiliations"]]
        entity = self.random.choice([*homes, *homes, *self.entities])
        modes = {row["legal_entity"]: row["payment_mode"] for row in self.reference["legal_entities"]}
        if modes[entity] == "at_export" and self.chance(0.7):
            entity = next((home for home in homes if modes[home] != "at_export"), entity)
        created = self.day + timedelta(days=self.random.randint(5, 35))
        banks = [row["bank_account"] for row in self.reference["bank_accounts"] if row["legal_entity"] == entity]
        sheet = Sheet("order", name, 1)
        sheet.rows["payment_orders"] = [
            {
                "payment_order": name,
                "version": "1",
                "legal_entity": "XX99" if self.wrong() else entity,
                "status": "active" if self.chance(0.97) else "cancelled",
                "created_on": created.isoformat(),
                "cutoff_on": (created - timedelta(days=self.random.choice([0, 0, 0, 4, 15]))).isoformat(),
                "modified_on": None,
                "bank_account": "MOON" if self.wrong() else self.random.choice([None, None, *banks]),
            }
        ]
        sheet.rows["payment_exclusions"] = []
        reports = [sheet.id for sheet in self.sheets.values() if sheet.kind == "report"]
        if self.chance(0.25) and reports:
            sheet.rows["payment_exclusions"].append(
                {"payment_order": name, "report": self.random.choice(reports), "employee": None}
            )
        if self.chance(0.15):
            sheet.rows["payment_exclusions"].append(
                {"payment_order": name, "report": None, "employee": self.random.choice([*EMPLOYEES[:2], "E99"])}
            )
        return sheet

    def later_versions(self, sheet: Sheet) -> list[Sheet]:
        """Makes what a later batch, or the same, says about a document: often one version, now and then two."""
        if not sheet.rows:
            return []
        changes: list[Callable[[Sheet], None]] = [self.nothing, self.formal, self.nothing_but_version, self.lower]
        if sheet.kind == "report":
            changes += [self.change_report] * 5 + [self.cancel] * 2 + [self.approve] * 2 + [self.back_to_draft]
        elif sheet.kind == "advance":
            changes += [self.change_advance] * 4 + [self.cancel] * 3
        else:
            changes += [self.cancel] * 4 + [self.change_order]
        if self.wrong():
            changes += [self.conflict] * 8 + [self.change_owner] * 8
        made: list[Sheet] = []
        for _ in range(self.random.choice([1, 1, 1, 1, 2])):
            later = (made[-1] if made else sheet).copy()
            self.random.choice(changes)(later)
            made.append(later)
        return made

    def nothing(self, sheet: Sheet) -> None:
        """Restates the same version."""

    def nothing_but_version(self, sheet: Sheet) -> None:
        """Raises the version alone."""
        sheet.number(sheet.version + self.random.choice([1, 1, 2]))

    def lower(self, sheet: Sheet) -> None:
        """Sends an old version, or what claims to be one."""
        sheet.number(max(1, sheet.version - 1))

    def later(self, sheet: Sheet) -> None:
        """Raises the version, on a later day, or one that pretends to be earlier."""
        sheet.number(sheet.version + 1)
        sheet.head["modified_on"] = self.random.choice([None, self.some_day(0, 25), self.some_day(-40, 0)])

    def formal(self, sheet: Sheet) -> None:
        """Changes what posts nothing."""
        self.later(sheet)
        if sheet.kind != "order":
            sheet.head["label"] = "another label"

    def approve(self, sheet: Sheet) -> None:
        """Approves a report, or declares it again."""
        self.later(sheet)
        sheet.head["status"] = self.random.choice(["approved", "approved", "declared"])

    def back_to_draft(self, sheet: Sheet) -> None:
        """Takes a report back to draft."""
        self.later(sheet)
        sheet.head["status"] = "draft"

    def cancel(self, sheet: Sheet) -> None:
        """Cancels a document, or takes it up again."""
        self.later(sheet)
        live = {"report": "declared", "advance": "active", "order": "active"}[sheet.kind]
        sheet.head["status"] = live if sheet.head["status"] == "cancelled" else "cancelled"
        if sheet.kind == "report" and sheet.head["status"] == "cancelled" and self.chance(0.3):
            for table in ("expenses", "expense_taxes", "allocations"):
                sheet.rows[table] = []
        elif sheet.kind == "report" and not sheet.rows["expenses"]:
            self.add_expense(sheet, "1")

    def change_report(self, sheet: Sheet) -> None:
        """Changes the expenses of a report: one more, one less, another amount, method, entity or section."""
        self.later(sheet)
        if sheet.head["status"] in ("draft", "cancelled"):
            sheet.head["status"] = self.random.choice(["declared", "approved"])
        how = self.random.choice(["add", "remove", "amount", "amount", "method", "entity", "taxes", "sections", "day"])
        expenses = sheet.rows["expenses"]
        if how == "add" or not expenses:
            self.add_expense(sheet, f"{len(expenses) + 1}x")
            return
        expense = self.random.choice(expenses)
        if how == "remove":
            self.drop(sheet, expense, ("expenses", "expense_taxes", "allocations"))
            if not sheet.rows["expenses"]:
                self.add_expense(sheet, "1")
        elif how == "amount":
            decimals = MINOR_UNITS.get(str(expense["currency"]), 2)
            gross = self.amount(decimals)
            expense["gross"] = self.text(gross)
            self.drop(sheet, expense, ("expense_taxes",))
            key = {name: expense[name] for name in ("report", "version", "expense")}
            self.add_taxes(sheet, key, gross, decimals)
        elif how == "method":
            expense["payment_method"] = self.random.choice(["personal", "card", "bank"])
        elif how == "entity":
            expense["legal_entity"] = self.random.choice([None, *self.entities])
        elif how == "taxes":
            self.drop(sheet, expense, ("expense_taxes",))
        elif how == "sections":
            self.drop(sheet, expense, ("allocations",))
            self.add_allocations(sheet, {name: expense[name] for name in ("report", "version", "expense")})
        else:
            expense["incurred_on"] = self.some_day(-30, 10)

    @staticmethod
    def drop(sheet: Sheet, expense: Cells, tables: tuple[str, ...]) -> None:
        """Removes an expense, or what hangs on it, from a report."""
        for table in tables:
            sheet.rows[table] = [row for row in sheet.rows[table] if row["expense"] != expense["expense"]]

    def change_advance(self, sheet: Sheet) -> None:
        """Changes the amount, the kind or the direction of an advance."""
        self.later(sheet)
        head = sheet.head
        how = self.random.choice(["amount", "amount", "kind", "movement", "compensation"])
        if how == "amount":
            amount = self.amount(self.decimals(head["legal_entity"]), negative=0) or Decimal(50)
            head["amount"] = self.text(amount)
        elif how == "kind":
            head["kind"] = self.random.choice(["one_time", "regular"])
        elif how == "movement" and head["kind"] != "third_party":
            head["movement"] = self.random.choice(["grant", "reimbursement"])
        else:
            head["compensation"] = self.random.choice(["cash", "bank"])

    def change_order(self, sheet: Sheet) -> None:
        """Changes an order, which is too late once it is paid."""
        self.later(sheet)
        how = self.random.choice(["cutoff", "exclusion", "entity"])
        if how == "cutoff":
            day = date.fromisoformat(str(sheet.head["created_on"])) - timedelta(days=1)
            sheet.head["cutoff_on"] = day.isoformat()
        elif how == "entity":
            sheet.head["legal_entity"] = self.random.choice(self.entities)
        else:
            sheet.rows["payment_exclusions"] = [{"payment_order": sheet.id, "report": "R1", "employee": None}]

    def conflict(self, sheet: Sheet) -> None:
        """Says something else in the same version."""
        column = {"report": "declared_on", "advance": "occurred_on", "order": "modified_on"}[sheet.kind]
        sheet.head[column] = self.some_day(0, 40)

    def change_owner(self, sheet: Sheet) -> None:
        """Gives the document to another employee or entity."""
        self.later(sheet)
        if sheet.kind != "order":
            sheet.head["employee"] = self.random.choice(EMPLOYEES)
        if sheet.kind != "report":
            sheet.head["legal_entity"] = self.random.choice(self.entities)

    def returns(self, batch: Tables) -> None:
        """Adds payments that the bank sent back: some that were made, some that were not, some said before."""
        orders = [sheet for sheet in self.sheets.values() if sheet.kind == "order" and sheet.rows]
        for sheet in orders:
            for employee in EMPLOYEES[:3]:
                if self.chance(0.2 if sheet.head["legal_entity"] == self.affiliation(employee, "2026-02-01") else 0.01):
                    batch["payment_returns"].append(
                        {
                            "payment_order": sheet.id,
                            "employee": employee,
                            "returned_on": self.some_day(5, 40),
                            "reason": self.random.choice([None, "AC04"]),
                        }
                    )
        if self.wrong():
            batch["payment_returns"].append(
                {
                    "payment_order": "O99",
                    "employee": self.random.choice(["E1", None]),
                    "returned_on": self.some_day(),
                    "reason": None,
                }
            )

    def spoil(self, batch: Tables) -> None:
        """Spoils rows as the rules name it, then any cell of any row."""
        too_fine = {"JPY": "7.5", "EUR": "1.234", "USD": "0.005", "TND": "1.0001", "KWD": "-2.3456"}
        huge = "100000000000000"
        for row in batch["expenses"]:
            if self.wrong():
                row["gross"] = self.random.choice([too_fine.get(str(row["currency"]), "1.2345"), huge])
        for row in batch["expense_taxes"]:
            if self.wrong():
                row[self.random.choice(["taxed_gross", "vat_amount"])] = "0.0005"
        for row in batch["advances"]:
            if self.wrong():
                row.update(self.random.choice([{"kind": "third_party", "movement": "grant"}, {"amount": "0.0005"}]))
        for row in batch["payment_orders"]:
            if self.wrong():
                row["cutoff_on"] = "2027-01-01"
        for row in batch["payment_exclusions"]:
            if self.wrong():
                row["report"] = row["employee"] = self.random.choice([None, "E1"])
        for row in list(batch["payment_returns"]):
            if self.wrong():
                batch["payment_returns"].append({**row, "reason": self.random.choice([None, "AC04"])})
        self.spoil_cells(batch)

    def spoil_cells(self, batch: Tables) -> None:
        """Spoils cells, doubles rows and cuts children off from their parents."""
        for table, rows in batch.items():
            columns = MOVEMENTS[table]
            for row in list(rows):
                if not self.chance(self.noise / 4):
                    continue
                how = self.random.choice(["cell", "cell", "empty", "double", "orphan", "drop"])
                column, form, _ = self.random.choice(columns)
                if how == "cell" and form == "text":
                    row[column] = self.random.choice(["??", "E1", "FR01", "R1", "personal"])
                elif how == "cell":
                    row[column] = self.random.choice(
                        ["abc", "1,5", "+1", "1e3", "2026-02-30", "12.34567", "99999999999999999", "0", "-1", "x"]
                    )
                elif how == "empty":
                    row[column] = None
                elif how == "double":
                    rows.append(dict(row))
                    if self.chance(0.5):
                        rows[-1][column] = None if form == "text" else row[column]
                elif how == "orphan" and "version" in row:
                    row["version"] = self.random.choice(["1", "2", "7"])
                elif how == "drop":
                    rows.remove(row)


def fitting(chosen: dict[str, str], required: set[str]) -> dict[str, str]:
    """Drops sections that do not go with each other, so that the split may pass; required axes stay."""
    parents = {(axis, section): parent for axis, section, parent in SECTIONS}
    kept: dict[str, str] = {}
    filled: dict[str, str] = {}
    for axis in sorted(chosen, key=lambda some: (some not in required, some)):
        brought: dict[str, str] = {axis: chosen[axis]}
        where, section = axis, chosen[axis]
        while (parent := parents[where, section]) is not None:
            where, section = str(AXES[where]), parent
            brought[where] = section
        if all(filled.get(some, value) == value for some, value in brought.items()) and (
            axis not in filled or filled[axis] == chosen[axis]
        ):
            kept[axis] = chosen[axis]
            filled |= brought
    return kept


def cuttable(seed: int, size: int = 1) -> Company:
    """Makes a company of one batch that may be cut by event date (spec §8).

    First versions, no returns, and each entity's cutoffs rise with (created_on, id).
    """
    maker = Maker(seed, size)
    reference = maker.reference = maker.first_reference()
    sheets = [maker.new_report() for _ in range(maker.random.randint(4, 4 + 6 * size))]
    sheets += [maker.new_advance() for _ in range(maker.random.randint(2, 2 + 4 * size))]
    for sheet in sheets:
        if maker.chance(0.2):
            sheet.head["modified_on"] = maker.some_day(0, 40)
    orders = [maker.new_order() for _ in range(maker.random.randint(1, 1 + 4 * size))]
    orders.sort(key=lambda order: (str(order.head["created_on"]), order.id.encode()))
    cutoffs: dict[str, str] = {}
    for order in orders:
        entity, cutoff = str(order.head["legal_entity"]), str(order.head["cutoff_on"])
        order.head["cutoff_on"] = cutoffs[entity] = max(cutoff, cutoffs.get(entity, ""))
        order.head["status"] = "active"
    batch: Tables = {table: [] for table in MOVEMENTS}
    for sheet in sheets + orders:
        for table, rows in sheet.rows.items():
            batch[table] += rows
    return Company(seed, size, [reference], [batch])


def cut(batch: Tables, days: list[str]) -> list[Tables]:
    """Cuts a batch after some days: documents by event date, orders by cutoff, children with theirs."""
    edges = [*sorted(days), "9999-12-31"]
    parts: list[Tables] = [{table: [] for table in MOVEMENTS} for _ in edges]

    def part(day: str | None) -> Tables:
        return parts[next(place for place, edge in enumerate(edges) if str(day) <= edge)]

    places: dict[tuple[str, str | None], Tables] = {}
    for table, name, first in (
        ("expense_reports", "report", "declared_on"),
        ("advances", "advance", "occurred_on"),
        ("payment_orders", "payment_order", "cutoff_on"),
    ):
        for row in batch[table]:
            day = row[first] if table == "payment_orders" else row["modified_on"] or row[first]
            places[name, row[name]] = part(day)
            part(day)[table].append(row)
    for table, name in (
        ("expenses", "report"),
        ("expense_taxes", "report"),
        ("allocations", "report"),
        ("payment_exclusions", "payment_order"),
    ):
        for row in batch[table]:
            places[name, row[name]][table].append(row)
    return parts
