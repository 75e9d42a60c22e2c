"""hledger, which knows nothing of us, balances what goes out, and comes to our balances."""

from __future__ import annotations

import csv
import re
import subprocess
from collections.abc import Callable
from decimal import Decimal
from itertools import groupby
from pathlib import Path

import pytest

from tests.exports.exporting import exported, written
from tests.support import Company


def journal(content: bytes) -> str:
    """Writes the lines of a CSV export as an hledger journal: a transaction an entry, an account:auxiliary a posting."""
    text = []
    lines = csv.DictReader(content.decode().splitlines())
    for entry, postings in groupby(
        lines, lambda line: (line["entry_date"], line["journal_code"], line["fiscal_year"], line["entry_number"])
    ):
        day, code, year, number = entry
        text.append(f"{day} ({code}/{year}/{number}) entry")
        for line in postings:
            account = ":".join(filter(None, [line["account"], line["auxiliary"]]))
            amount = Decimal(line["debit"]) - Decimal(line["credit"])
            text.append(f"    {account}  {amount:f} {line['currency']}")
        text.append("")
    return "\n".join(text) + "\n"


@pytest.mark.parametrize("entity", ["FR01", "FR02", "BE01", "TN01", "CH01", "JP01"])
def test_hledger_balances_what_goes_out(
    sample_company: Company, tmp_path: Path, program: Callable[[str], str], entity: str
) -> None:
    hledger = program("hledger")
    said = exported(sample_company, "--format", "csv", "--entity", entity, "--through", "2026-03-31")
    (content,) = written(sample_company).values()
    path = tmp_path / "ledger.journal"
    path.write_text(journal(content), encoding="utf-8")
    subprocess.run([hledger, "check", "balanced", "ordereddates", "-f", str(path)], check=True)
    counted = subprocess.run([hledger, "stats", "-f", str(path)], check=True, capture_output=True, text=True).stdout
    assert re.findall(r"^(?:Transactions|Txns) *: (\d+)", counted, re.MULTILINE) == [str(said["entries"])]
    if said["left_out"]:
        return  # then hledger knows less than the ledger does
    listed = subprocess.run(
        [hledger, "balance", "--flat", "--empty", "-O", "csv", "-f", str(path)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    theirs = {
        row["account"]: Decimal((row["balance"] or "0").split()[0]) for row in csv.DictReader(listed.splitlines())
    }
    balances = sample_company.table("balances").filter(legal_entity=entity)
    ours = {":".join(filter(None, [row["account"], row["auxiliary"]])): row["balance"] for row in balances.to_dicts()}
    assert {account: theirs.get(account) for account in ours} == ours
