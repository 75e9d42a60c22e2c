"""Status: runs, quarantine and balances at a glance, fast."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from pipeline.ledger.status import status
from pipeline.ledger.store import Store
from tests.support import Company
from tests.tidy.tree import ROOT


def test_json_is_for_machines(ledger: Company) -> None:
    told = json.loads(ledger.invoke("status", "--json").stdout)
    assert [row["run"] for row in told["runs"]] == [3, 2, 1]
    assert [(row["rule"], row["findings"]) for row in told["quarantine"]] == [("unknown_employee", 1)]
    assert {row["legal_entity"] for row in told["balances"]} == {"FR01"}
    assert all(row["debit"] == row["credit"] for row in told["balances"])


def test_a_person_reads_tables(ledger: Company) -> None:
    result = ledger.invoke("status")
    assert result.exit_code == 0
    for title in ("Runs, newest first", "Entries by journal", "Payments", "Waiting in quarantine", "Balances"):
        assert title in result.stdout


def test_a_ledger_without_documents_has_little_to_say(tmp_path: Path) -> None:
    company = Company(tmp_path)
    company.run(expect=(0,))
    result = company.invoke("status")
    assert result.exit_code == 0
    assert "Balances: none" in result.stdout


@pytest.mark.slow
def test_the_sample_is_told_in_half_a_second(tmp_path: Path) -> None:
    company = Company(tmp_path)
    for batch in (1, 2, 3):
        shutil.copytree(ROOT / "data" / "sample" / f"batch-{batch}", tmp_path / f"batch-{batch}")
        places = (
            "--reference",
            str(ROOT / "data" / "sample" / "reference"),
            "--batch",
            str(tmp_path / f"batch-{batch}"),
        )
        assert company.invoke("run", *places, "--on", "2026-04-15").exit_code in (0, 3)
    status(Store.open(company.store))
    began = time.perf_counter()
    status(Store.open(company.store))
    assert time.perf_counter() - began < 0.5
