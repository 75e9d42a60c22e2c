"""The checker itself, on changes to a good file whose verdicts by the tax authority's program are known."""

from __future__ import annotations

from datetime import date

import pytest

from tests.exports.fec_checks import COLUMNS, check, check_strictly, is_conforming, luhn

NAME = "732829320FEC20241231.txt"
SHARED = "OD|Opérations diverses|7|20240315|{}|{}|{}|{}|NDF202403-7|20240315|NDF Léa Dupont 03/2024|{}|{}|||20240331||"
GOOD = [
    COLUMNS,
    SHARED.format("421000", "Personnel", "DUPONTL", "Dupont Léa", "0,00", "120,00").split("|"),
    SHARED.format("625700", "Réceptions", "", "", "100,00", "0,00").split("|"),
    SHARED.format("445660", "TVA déductible", "", "", "20,00", "0,00").split("|"),
]


def file(
    separator: str = "\t", ending: str = "\r\n", encoding: str = "utf-8", last: bool = True, **cells: str
) -> bytes:
    """The good file with other cells in its second line of an entry."""
    rows = [list(row) for row in GOOD]
    for column, cell in cells.items():
        rows[2][COLUMNS.index(column)] = cell
    return (ending.join(separator.join(row) for row in rows) + ending * last).encode(encoding)


def without(column: str) -> bytes:
    place = COLUMNS.index(column)
    return "\r\n".join("\t".join(row[:place] + row[place + 1 :]) for row in GOOD).encode()


GOOD_CASES = {
    "tab": file(),
    "pipe": file("|"),
    "LF": file(ending="\n"),
    "CR": file(ending="\r"),
    "byte order mark": file(encoding="utf-8-sig"),
    "no last line end": file(last=False),
    "ISO 8859-15": file(encoding="iso8859-15"),
    "names in lower case": file().replace(b"JournalCode", b"journalcode"),
    "accent in a name": file().replace(b"\tDebit\t", "\tDébit\t".encode()),
    "empty credit": file(Credit=""),
    "minus in front": file(Debit="-100,00"),
    "minus behind": file(Debit="100,00-"),
    "plus": file(Debit="+100,00"),
    "zeros in front": file(Debit="000000000000100,00"),
    "blank in front": file(Debit=" 100,00"),
    "three decimals": file(Debit="100,000"),
    "exponent": file(Debit="1E2"),
    "not balanced": file(Debit="1,00"),
    "another year": file(EcritureDate="20200315"),
    "30 February": file(EcritureDate="20240230"),
    "lettering without date": file(EcritureLet="AAA"),
    "dashes": file(EcritureDate="2024-03-15"),
    "day first": file(EcritureDate="15/03/2024"),
    "time": file(EcritureDate="20240315 10:11:12"),
    "T and time": file(EcritureDate="2024-03-15T10:11:12"),
    "zeros in DateLet": file(DateLet="00000000"),
    "quote": file(EcritureLib='a "label"'),
    "pipe in a tab file": file(EcritureLib="a|b"),
    "separator at every end": file().replace(b"\r\n", b"\t\r\n"),
    "extra column": b"\r\n".join(line + b"\tMore" for line in file(last=False).split(b"\r\n")),
}
ALERTS = {
    "account": file(CompteNum="6A5100"),
    "year 1850": file(EcritureDate="18500101"),
    "year 2100": file(EcritureDate="21000101"),
    "both sides": file(Credit="100,00"),
    "no side": file(Debit="0,00"),
}
BAD_CASES = {
    "point": ("E", file(Debit="100.00")),
    "thousands": ("E", file(Debit="1 100,00")),
    "thousands by comma": ("E", file(Debit="1,100,00")),
    "word": ("E", file(Debit="abc")),
    "no-break space": ("E", file(Debit="1\xa0100,00")),
    "point in the currency": ("E", file(Montantdevise="12.5")),
    "no date": ("E", file(EcritureDate="")),
    "month in letters": ("E", file(EcritureDate="mars")),
    "no calendar date": ("E", file(EcritureDate="20241345")),
    "DateLet xx": ("E", file(DateLet="xx")),
    "no EcritureNum": ("E", file(EcritureNum="")),
    "no CompteNum": ("E", file(CompteNum="")),
    "no CompteLib": ("E", file(CompteLib="")),
    "no EcritureLib": ("E", file(EcritureLib="")),
    "no JournalCode": ("V", file(JournalCode="")),
    "no PieceRef": ("V", file(PieceRef="")),
    "no PieceDate": ("V", file(PieceDate="")),
    "no ValidDate": ("V", file(ValidDate="")),
    "a field too many": ("E", file().replace(b"NDF202403-7", b"NDF\tX", 1)),
    "a field too few": ("E", file().replace(b"NDF202403-7\t", b"", 1)),
    "blank line": ("E", file().replace(b"\r\n", b"\r\n\r\n", 1)),
    "header only": ("E", "\t".join(COLUMNS).encode()),
    "pipe in a pipe file": ("E", file("|", EcritureLib="a|b")),
    "no column EcritureLib": ("O", without("EcritureLib")),
    "no column Idevise": ("?", without("Idevise")),
    "duplicate name": ("?", file().replace(b"Idevise", b"Debit", 1)),
}


@pytest.mark.parametrize("case", GOOD_CASES)
def test_conforming(case: str) -> None:
    findings = check(NAME, GOOD_CASES[case])
    assert is_conforming(findings), findings
    assert not [finding for finding in findings if finding.kind == "A"]


@pytest.mark.parametrize("case", ALERTS)
def test_conforming_with_an_alert(case: str) -> None:
    findings = check(NAME, ALERTS[case])
    assert is_conforming(findings), findings
    assert [finding.kind for finding in findings] == ["A"]


@pytest.mark.parametrize("case", BAD_CASES)
def test_not_conforming(case: str) -> None:
    kind, content = BAD_CASES[case]
    findings = check(NAME, content)
    assert not is_conforming(findings)
    assert kind in {finding.kind for finding in findings}


def test_the_name_is_checked() -> None:
    assert not is_conforming(check("732829320.txt", file()))


@pytest.mark.parametrize(
    ("said", "content"),
    [
        ("does not balance", file(Debit="1,00")),
        ("EcritureDate is '20240230'", file(EcritureDate="20240230")),
        ("outside the fiscal year", file(EcritureDate="20200315")),
        ("more than one EcritureDate", file(EcritureDate="20240316")),
        ("filled together", file(EcritureLet="AAA")),
        ("no field may hold", file(EcritureLib="a|b")),
        ("order of validation", file(ValidDate="20240301")),
        ("do not stand together", file(EcritureNum="8")),
        ("two decimals", file(Debit="100")),
        ("has no end", file(last=False)),
    ],
)
def test_what_the_program_leaves_out_is_found(said: str, content: bytes) -> None:
    year = {"starts": date(2024, 1, 1), "closes": date(2024, 12, 31)}
    assert check_strictly(NAME, file(), **year) == []
    assert said in "\n".join(check_strictly(NAME, content, **year))


def test_the_key_of_a_siren() -> None:
    assert luhn("732829320")
    assert not luhn("732829321")


def signed(*senses: str) -> bytes:
    """The good file with one amount and its side, in place of debit and credit."""
    rows = [[*row[:11], "100,00", sense, *row[13:]] for row, sense in zip(GOOD[1:], senses, strict=True)]
    header = [*COLUMNS[:11], "Montant", "Sens", *COLUMNS[13:]]
    return "\r\n".join("\t".join(row) for row in [header, *rows]).encode()


@pytest.mark.parametrize("senses", [("C", "D", "d"), ("-1", "+1", "+1")])
def test_one_amount_and_its_side_stand_for_debit_and_credit(senses: tuple[str, str, str]) -> None:
    assert check(NAME, signed(*senses)) == []


def test_a_side_that_is_none_ends_the_test() -> None:
    findings = check(NAME, signed("C", "X", "D"))
    assert [(found.kind, found.column, found.line) for found in findings] == [("E", "Sens", 3)]
