"""Versions that come again, or late: what was sent last counts, and what was ignored as cancelled is remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import Company, expense, report

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("status", ["draft", "cancelled"])
def test_the_status_of_what_waited_is_forgotten(tmp_path: Path, status: str) -> None:
    company = Company(tmp_path)
    company.run(expense_reports=[report()], expenses=[expense(gross="x")], expect=(3,))
    told = company.run(expense_reports=[report(status=status)], expenses=[expense()], expect=(0,))
    assert told["waiting"] == []
    counts = next(row for row in told["rows"] if row["table_name"] == "expense_reports")
    assert (counts["ignored"], counts["superseded"], counts["posted"]) == (1, 1, 0)
    assert company.table("quarantine")["resolved_run"].to_list() == [2]
    assert company.table("entry_lines").is_empty()
    states = company.table("documents")["state"].to_list()
    assert states == (["cancelled"] if status == "cancelled" else [])


def test_a_draft_does_not_make_a_cancelled_version_forgotten(tmp_path: Path) -> None:
    company = Company(tmp_path)
    company.run(expense_reports=[report(version="2", status="cancelled")], expenses=[expense(version="2")], expect=(0,))
    company.run(expense_reports=[report(version="3", status="draft")], expenses=[expense(version="3")], expect=(0,))
    assert company.table("documents").select("version", "state").rows() == [(2, "cancelled")]
    company.run(expense_reports=[report(version="1")], expenses=[expense(version="1")], expect=(0,))
    told = company.run(expense_reports=[report(version="2")], expenses=[expense(version="2")], expect=(3,))
    assert [finding["rule"] for finding in told["findings"]] == ["version_conflict"]
    assert company.table("entry_lines").is_empty()
