"""Beancount, hledger and Ledger read their formats without a complaint, and come to our balances."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.exports.exporting import exported, profile, written
from tests.support import Company, Tables, allocation, expense, reference, report, sampled, tax

SAMPLE_ENTITIES = ["FR01", "FR02", "BE01", "TN01", "CH01", "JP01"]
#: what each program has to say of a journal that is all right: nothing, or with success
CHECKS = {
    "beancount": ["bean-check", "--no-cache"],
    "hledger": ["hledger", "check", "--strict", "ordereddates", "-f"],
    "ledger": ["ledger", "--pedantic", "--explicit", "balance", "-f"],
}
Programs = Callable[[str], str]


def check(kind: str, path: Path, program: Programs) -> None:
    """Has the program check a journal."""
    name, *options = CHECKS[kind]
    # bean-check is installed with the tests' requirements, the others come with the system.
    beside_python = Path(sys.executable).with_name(name)
    found = str(beside_python) if kind == "beancount" and beside_python.exists() else program(name)
    done = subprocess.run([found, *options, str(path)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def journal(company: Company, *options: str) -> tuple[Path, dict[str, Any]]:
    """Exports a journal; returns its path, and what the command prints for machines."""
    said = exported(company, *options)
    (name,) = written(company)
    return company.directory / "out" / name, said


def transactions(path: Path) -> int:
    """How many transactions a journal has."""
    return len(re.findall(r"^\d{4}[-/]\d\d[-/]\d\d [*!]", path.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("kind", CHECKS)
@pytest.mark.parametrize("entity", sampled(SAMPLE_ENTITIES))
def test_the_sample_passes_the_checks_of_its_program(
    sample_company: Company, program: Programs, kind: str, entity: str
) -> None:
    path, said = journal(sample_company, "--format", kind, "--entity", entity)
    check(kind, path, program)
    assert transactions(path) == said["entries"]


@pytest.mark.parametrize("kind", CHECKS)
@pytest.mark.parametrize("entity", ["FR01", "TN01"])
def test_hostile_labels_refunds_and_changes_pass(ledger: Company, program: Programs, kind: str, entity: str) -> None:
    path, _ = journal(ledger, "--format", kind, "--entity", entity)
    check(kind, path, program)


@pytest.mark.parametrize("kind", CHECKS)
def test_details_and_declarations_may_be_left_out(ledger: Company, program: Programs, kind: str) -> None:
    settings = {"beancount": "details = false", "hledger": 'details = false\ntag_2 = ""', "ledger": "details = false"}
    path = profile(ledger, f'format = "{kind}"\n[settings]\n{settings[kind]}\n[due]\ndays = 30\n')
    made, _ = journal(ledger, "--profile", str(path), "--entity", "FR01")
    check(kind, made, program)
    assert "label" not in made.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", CHECKS)
def test_what_each_syntax_is_made_of_may_stand_in_codes_and_texts(tmp_path: Path, program: Programs, kind: str) -> None:
    company = Company(tmp_path, _hostile_reference())
    company.run(
        on="2026-02-01",
        expense_reports=[
            report("R(1); x", employee="E1", label="a:b, c:d  [2026-99-99] ; date:2026-13-45"),
            report('R"2"\\', employee="E2", label='\\" #tag ^link\n  Assets:Cash  1 EUR'),
        ],
        expenses=[
            expense("R(1); x", label="; | ) = @ {1 EUR} 100%"),
            expense("R(1); x", expense="X 2", expense_type="hotel", label="Value:: 1/0", gross="-10.00"),
            expense('R"2"\\', label="* ! (x) \u2028 é", currency="USD", exchange_rate="2", gross="5.00"),
        ],
        expense_taxes=[tax(report="R(1); x")],
        allocations=[
            allocation(report="R(1); x", axis="date", section="[2026/99/99], x"),
            allocation(report="R(1); x", axis="a", section='"\\'),
            allocation(report="R(1); x", axis="filename", section="filename:x"),
        ],
    )
    path = profile(company, f'format = "{kind}"\n[due]\ndays = 30\n')
    made, _ = journal(company, "--profile", str(path), "--entity", "FR01")
    check(kind, made, program)
    assert transactions(made) == 2


def _hostile_reference() -> Tables:
    """Codes of accounts and axes that would be something else in a journal."""
    tables = reference()
    tables["employees"][0] |= {"name": 'A; "B" | C\\', "auxiliary": "-a: b"}
    tables["employees"][1] |= {"name": " ) Bo", "auxiliary": "é_1"}
    tables["axes"] += [
        {"axis": axis, "name": axis, "parent_axis": "", "required": "false"} for axis in ("date", "a", "filename")
    ]
    for axis, section in (("date", "[2026/99/99], x"), ("a", '"\\'), ("filename", "filename:x")):
        empty = {"parent_section": "", "active_from": "", "active_to": ""}
        tables["sections"].append({"axis": axis, "section": section, "name": section, **empty})
    return tables


# ------------------------------------------------------------------------------------------------------ balances


def hledger_balances(path: Path, program: Programs) -> dict[str, Decimal]:
    """The balance of each account of a journal, as hledger adds it up."""
    command = [program("hledger"), "balance", "--flat", "--empty", "-O", "csv", "-f", str(path)]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {row["account"]: Decimal((row["balance"] or "0").split()[0]) for row in csv.DictReader(listed.splitlines())}


def ledger_balances(path: Path, program: Programs) -> dict[str, Decimal]:
    """The balance of each account of a journal, as Ledger adds it up."""
    command = [program("ledger"), "balance", "--flat", "--empty", "--no-total", "--format", "%(account)\t%(amount)\n"]
    listed = subprocess.run([*command, "-f", str(path)], check=True, capture_output=True, text=True).stdout
    cells = (line.split("\t") for line in listed.splitlines())
    return {account: Decimal(amount.split()[0]) for account, amount in cells}


@pytest.mark.parametrize("balances", [hledger_balances, ledger_balances])
@pytest.mark.parametrize("entity", sampled(SAMPLE_ENTITIES))
def test_they_come_to_our_balances(
    sample_company: Company, program: Programs, balances: Callable[[Path, Programs], dict[str, Decimal]], entity: str
) -> None:
    kind = balances.__name__.removesuffix("_balances")
    path, said = journal(sample_company, "--format", kind, "--entity", entity, "--through", "2026-03-31")
    assert transactions(path) == said["entries"]
    if said["left_out"]:
        return  # then the program knows less than the ledger does
    # The root, which no account of ours has, goes.
    theirs = {account.partition(":")[2]: balance for account, balance in balances(path, program).items()}
    ours = {
        ":".join(filter(None, [row["account"], row["auxiliary"]])): row["balance"]
        for row in sample_company.table("balances").filter(legal_entity=entity).to_dicts()
    }
    assert {account: theirs.get(account) for account in ours} == ours
