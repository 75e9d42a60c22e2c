"""What the tax authority's program checks of a FEC (Test-Compta-Demat 1.00.10b, option BIC), rule by rule, and more.

`check` is as lenient as that program, and tells errors (E), missing columns (O), missing data (V), columns not found (?)
and alerts (A); a file is conforming where there is nothing but alerts and information. `check_strictly` adds what an
accountant expects and the program does not look at.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

COLUMNS = [
    "JournalCode",
    "JournalLib",
    "EcritureNum",
    "EcritureDate",
    "CompteNum",
    "CompteLib",
    "CompAuxNum",
    "CompAuxLib",
    "PieceRef",
    "PieceDate",
    "EcritureLib",
    "Debit",
    "Credit",
    "EcritureLet",
    "DateLet",
    "ValidDate",
    "Montantdevise",
    "Idevise",
]
MUST_BE_THERE = {"EcritureNum", "EcritureDate", "CompteNum", "CompteLib", "EcritureLib", "Debit", "Credit"}
NOT_EMPTY = ("EcritureNum", "EcritureDate", "CompteNum", "CompteLib", "EcritureLib")
DATA_REQUIRED = ("JournalCode", "JournalLib", "CompteLib", "PieceRef", "PieceDate", "EcritureLib", "ValidDate")
NUMBERS = ("Debit", "Credit", "Montantdevise")
DATES = ("EcritureDate", "PieceDate", "DateLet", "ValidDate")
NAME = re.compile(r".*FEC20[0-9]{2}[01][0-9][0-3][0-9]", re.IGNORECASE | re.DOTALL)
NUMBER = re.compile(r"[+-]?\d+(?:,\d*)?(?:E[+-]?\d+)?[+-]?\Z", re.IGNORECASE)
YEAR_FIRST = re.compile(r"(\d{4})[-/.]?(\d{2})[-/.]?(\d{2})(?:[T ]\d{2}:\d{2}:\d{2})?\Z")
DAY_FIRST = re.compile(r"(\d{2})[-/.]?(\d{2})[-/.]?(\d{4})(?:[T ]\d{2}:\d{2}:\d{2})?\Z")


@dataclass(frozen=True)
class Finding:
    """kind: E, O, V, A, S, or ? for a column not found. line: counted from 1, the header being the first."""

    kind: str
    column: str
    line: int
    what: str


def is_conforming(findings: list[Finding]) -> bool:
    """The program's verdict (for years closed in 2013 or later)."""
    return not any(finding.kind in "EOV?" for finding in findings)


def check(name: str, content: bytes) -> list[Finding]:
    """The rules of the program, in its order; those that end the test end it."""
    if not NAME.match(name):  # 1
        return [Finding("E", "", 0, "the name is not <siren>FEC<yyyymmdd>")]
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode("iso8859-15")
    text = text.removeprefix("\ufeff")
    separator, lines = parted(text)  # 2, 3
    if not separator:
        return [Finding("E", "", 1, "neither tab nor | separates the names")]
    header = [named(cell) for cell in split(lines[0], separator)]  # 4
    if header and not header[-1]:  # 5
        header.pop()
    # 6: one amount and its side, in place of debit and credit
    header = [{"montant": "Montant", "sens": "Sens"}.get(cell.lower(), cell) for cell in header]
    is_signed = {"Montant", "Sens"} <= set(header)
    sides = {"Montant": "Debit", "Sens": "Credit"} if is_signed else {}
    findings = list(check_header([sides.get(cell, cell) for cell in header]))
    if findings and any(finding.kind == "O" for finding in findings):
        return findings
    if len(lines) < 2:  # 9
        return [*findings, Finding("E", "", 1, "the file has no line")]
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():  # 10
            findings.append(Finding("E", "", number, "a line is empty"))
            continue
        cells = split(line, separator)
        if len(cells) == len(header) + 1 and not cells[-1]:
            cells.pop()
        if len(cells) != len(header):  # 11
            findings.append(Finding("E", "", number, f"{len(cells)} fields in place of {len(header)}"))
            continue
        row = dict(zip(header, cells, strict=True))
        if is_signed:
            side = {"D": "Debit", "+1": "Debit", "C": "Credit", "-1": "Credit"}.get(row["Sens"].upper())
            if side is None:
                return [*findings, Finding("E", "Sens", number, "is neither D and C nor +1 and -1")]
            row |= {"Debit": "", "Credit": "", side: row["Montant"]}
        findings += check_line(row, number)
    return findings


def parted(text: str) -> tuple[str, list[str]]:
    """The separator and the lines, by the line end of the beginning; a last line end is no line."""
    ending = next((end for end in ("\r\n", "\r", "\n") if end in text[:4096]), "\n")
    lines = text.removesuffix(ending).split(ending)
    separator = next((mark for mark in "\t|" if len(lines[0].split(mark)) >= 9), "")
    return separator, lines


def split(line: str, separator: str) -> list[str]:
    """The cells: without NUL, no-break spaces made plain, no blanks around a separator."""
    return [cell.strip(" ") for cell in line.replace("\0", "").replace("\xa0", " ").split(separator)]


def named(cell: str) -> str:
    """A column's name as the program compares it, spelt as the law does where it is one of its columns."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", cell) if not unicodedata.combining(letter))
    plain = re.sub(r"[^a-z0-9]", "_", plain.lower())
    return next((column for column in COLUMNS if column.lower() == plain), cell)


def check_header(header: list[str]) -> list[Finding]:
    missing = [column for column in COLUMNS if column not in header]
    return [
        *(Finding("O" if column in MUST_BE_THERE else "?", column, 1, "is missing") for column in missing),  # 7
        *(Finding("S", column, 1, "is an extra column") for column in header if column not in COLUMNS),  # 8
    ]


def check_line(row: dict[str, str], line: int) -> list[Finding]:
    findings = []
    for column in NOT_EMPTY:  # 12
        if not row.get(column, ""):
            findings.append(Finding("E", column, line, "holds no value"))
    for column in DATA_REQUIRED:  # 13
        if column in row and not row[column]:
            findings.append(Finding("V", column, line, "holds no value"))
    if row.get("CompteNum") and not re.match(r"\d{3}", row["CompteNum"]):  # 14
        findings.append(Finding("A", "CompteNum", line, "does not begin with three digits"))
    for column in NUMBERS:
        findings += check_number(column, row.get(column, ""), line)
    for column in DATES:
        findings += check_date(column, row.get(column, ""), line)
    amounts = [amount(row.get(column, "")) for column in ("Debit", "Credit")]
    if None not in amounts and (amounts[0] == 0) == (amounts[1] == 0):  # 22
        findings.append(Finding("A", "Debit", line, "debit and credit both stand, or neither"))
    return findings


def check_number(column: str, cell: str, line: int) -> list[Finding]:
    if not cell:
        return []
    if ("," in cell and "." in cell) or cell.count(",") > 1 or " " in cell:  # 16
        return [Finding("E", column, line, "thousands are separated")]
    if "." in cell:  # 15
        return [Finding("E", column, line, "a comma is wanted in place of the point")]
    return [] if NUMBER.match(cell) else [Finding("E", column, line, "is no number")]  # 17


def check_date(column: str, cell: str, line: int) -> list[Finding]:
    if not cell.strip("0"):
        is_blank = not cell or column != "EcritureDate"
        return [] if is_blank else [Finding("E", column, line, "is blank")]  # 18
    found = YEAR_FIRST.match(cell)
    year, month, day = found.groups() if found else ("", "", "")
    if not found or int(month) > 12:
        reverse = DAY_FIRST.match(cell)
        if reverse:
            day, month, year = reverse.groups()
        elif not found:
            return [Finding("E", column, line, "is no date")]  # 19
    if int(month) > 12 or int(day) > 31:  # 20
        return [Finding("E", column, line, "is no day of the calendar")]
    return [] if 1900 <= int(year) <= 2099 else [Finding("A", column, line, "is out of the period")]  # 21


def amount(cell: str) -> Decimal | None:
    """A number as the law writes it, 0 where it is blank, None where it is no number."""
    if not cell:
        return Decimal(0)
    if not NUMBER.match(cell):
        return None
    sign = "-" if cell[0] == "-" or cell[-1] == "-" else ""
    return Decimal(sign + cell.strip("+-").replace(",", "."))


# ------------------------------------------------------------------------------------ what the program leaves out


def check_strictly(name: str, content: bytes, *, starts: date, closes: date) -> list[str]:
    """The name, the characters, the calendar, the fiscal year, the balance and the numbering; what is wrong."""
    wrong = []
    stem = re.fullmatch(r"(\d{9})FEC(\d{8})\.txt", name)
    if not stem or not luhn(stem[1]):
        wrong.append(f"{name} does not begin with a SIREN")
    elif stem[2] != closes.strftime("%Y%m%d"):
        wrong.append(f"{name} does not name the closing date")
    text = content.decode()
    separator, lines = parted(text)
    if lines[0].split(separator) != COLUMNS:
        wrong.append("the columns are not those of the law, in its order")
    if not text.endswith("\n"):
        wrong.append("the last line has no end")
    rows = [dict(zip(COLUMNS, line.split(separator), strict=True)) for line in lines[1:]]
    for number, row in enumerate(rows, start=2):
        wrong += [f"line {number}: {what}" for what in check_row(row, starts, closes)]
    entries = defaultdict(list)
    order: list[tuple[str, str]] = []
    for row in rows:
        key = (row["JournalCode"], row["EcritureNum"])
        if not order or order[-1] != key:
            order.append(key)
        entries[key].append(row)
    if len(order) != len(entries):
        wrong.append("the lines of an entry do not stand together")
    for key, entry in entries.items():
        if sum(amount(row["Debit"]) or 0 for row in entry) != sum(amount(row["Credit"]) or 0 for row in entry):
            wrong.append(f"entry {key} does not balance")
        for column in ("EcritureDate", "JournalLib", "PieceRef", "PieceDate", "ValidDate"):
            if len({row[column] for row in entry}) > 1:
                wrong.append(f"entry {key} has more than one {column}")
    if [row["ValidDate"] for row in rows] != sorted(row["ValidDate"] for row in rows):
        wrong.append("the lines are not in the order of validation")
    labels = defaultdict(set)
    for row in rows:
        labels["JournalCode", row["JournalCode"]].add(row["JournalLib"])
    wrong += [f"{key} has more than one label" for key, said in labels.items() if len(said) > 1]
    return wrong


def check_row(row: dict[str, str], starts: date, closes: date) -> list[str]:
    wrong = [
        f"{column} holds {cell!r}, with a character that no field may hold"
        for column, cell in row.items()
        if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") or letter == "|" for letter in cell)
    ]
    for column in DATES:
        if row[column] and not is_day(row[column]):
            wrong.append(f"{column} is {row[column]!r}")
    if is_day(row["EcritureDate"]) and not starts <= day(row["EcritureDate"]) <= closes:
        wrong.append("EcritureDate is outside the fiscal year")
    for column in NUMBERS:
        if row[column] and not re.fullmatch(r"-?\d+(,\d+)?", row[column]):
            wrong.append(f"{column} is {row[column]!r}")
    if not re.fullmatch(r"\d+,\d\d", row["Debit"]) or not re.fullmatch(r"\d+,\d\d", row["Credit"]):
        wrong.append("an amount does not have two decimals")
    for one, other in (
        ("EcritureLet", "DateLet"),
        ("CompAuxNum", "CompAuxLib"),
        ("Montantdevise", "Idevise"),
    ):
        if bool(row[one]) != bool(row[other]):
            wrong.append(f"{one} and {other} are not filled together")
    if row["Idevise"] and not re.fullmatch("[A-Z]{3}", row["Idevise"]):
        wrong.append("Idevise is no currency")
    return wrong


def is_day(cell: str) -> bool:
    try:
        day(cell)
    except ValueError:
        return False
    return len(cell) == 8


def day(cell: str) -> date:
    return datetime.strptime(cell, "%Y%m%d").date()  # noqa: DTZ007 - a day has no time zone


def luhn(siren: str) -> bool:
    """Whether the key of a SIREN is right."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(siren))]
    return sum(number - 9 * (number > 9) for number in doubled) % 10 == 0
