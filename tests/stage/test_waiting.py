"""Rows that wait: their findings stay what they are from run to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import Company, expense, report

if TYPE_CHECKING:
    from pathlib import Path


def test_copies_that_wait_alone_keep_a_finding_each(tmp_path: Path) -> None:
    company = Company(tmp_path)
    company.run(expense_taxes=[{"report": "", "version": "1", "expense": "X1", "vat_code": "FR20"}] * 3)
    assert company.table("quarantine").height == 3
    company.run(expense_reports=[report("R1")], expenses=[expense("R1")])
    assert company.table("quarantine").height == 3
    company.check()
