"""What is read and ignored is told, whichever directory it stands in; a finding is made only where its rule says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import Company, expense, reference, report, tax

if TYPE_CHECKING:
    from pathlib import Path


def test_unknown_columns_of_the_reference_are_told(tmp_path: Path) -> None:
    tables = reference()
    tables["employees"] = [{**row, "shoes": "44"} for row in tables["employees"]]
    told = Company(tmp_path, tables).run(
        expense_reports=[{**report(), "hat": "x"}],
        expenses=[expense()],
    )
    assert told["notes"] == [
        "employees.csv: employees has columns that are not known and ignored: shoes",
        "expense_reports.csv: expense_reports has columns that are not known and ignored: hat",
    ]


def test_a_vat_code_that_stands_twice_is_not_several(tmp_path: Path) -> None:
    told = Company(tmp_path).run(
        expense_reports=[report()], expenses=[expense()], expense_taxes=[tax(), tax()], expect=(3,)
    )
    assert {row["rule"] for row in told["findings"]} == {"duplicate_key"}
