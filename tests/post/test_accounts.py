"""Accounts of the chart as templates over codes, whatever the codes hold; totals that no table can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from tests.support import Company, advance, expense, reference, report, rows

if TYPE_CHECKING:
    from pathlib import Path


def test_a_code_with_braces_is_no_template(tmp_path: Path) -> None:
    tables = reference()
    tables["employees"] += rows("""
        employee    name auxiliary
        {auxiliary} Di   {key}
    """)
    tables["affiliations"] += rows("""
        employee    legal_entity valid_from
        {auxiliary} FR01         2024-01-01
    """)
    company = Company(tmp_path, tables)
    company.run(
        expense_reports=[report(employee="{auxiliary}")],
        expenses=[expense()],
        advances=[advance(employee="{auxiliary}")],
    )
    lines = company.table("entry_lines")
    assert set(lines.filter(pl.col("role") == "employee")["auxiliary"]) == {"{key}"}
    assert set(lines.filter(pl.col("role") == "advance_one_time")["auxiliary"]) == {"{auxiliary}"}


def test_a_total_that_no_table_can_hold_fails_the_run_in_words(tmp_path: Path) -> None:
    company = Company(tmp_path)
    told = company.run(
        expense_reports=[report("R1"), report("R2")],
        expenses=[expense("R1", gross="99999999999999.99"), expense("R2", gross="99999999999999.99")],
        expect=(1,),
    )
    assert "add up to more than a table can hold" in told["error"]
    assert "199999999999999.98" in told["error"]
    assert "sum(" not in told["error"]
    company.run(expense_reports=[report("R1")], expenses=[expense("R1")], expect=(0,))
    assert company.table("runs")["run"].max() == 1
