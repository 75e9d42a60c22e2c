"""What master data brings to runs and exports: days of rights and axes, names by language."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.support import Company, allocation, expense, report, rows

RIGHTS = """
    axis    section employee department legal_entity valid_from valid_to
    client  C1      E1       -          -            2026-01-10 2026-01-20
    client  C1      -        sales      -            2026-02-01 -
    project P2      E1       -          -            -          2025-12-31
"""


def trips(*days: str, section: str = "C1", axis: str = "client") -> dict[str, list[dict[str, str]]]:
    """A report a day, all on one section."""
    return {
        "expense_reports": [report(f"R{day}") for day in days],
        "expenses": [expense(f"R{day}", incurred_on=f"2026-{day}") for day in days],
        "allocations": [allocation(axis=axis, section=section, report=f"R{day}") for day in days],
    }


def refused(result: dict[str, list[dict[str, str]]], rule: str) -> list[str]:
    return sorted({finding["document"] for finding in result["findings"] if finding["rule"] == rule})


@pytest.mark.slow
def test_a_right_is_judged_on_the_day_of_the_expense_and_its_end_opens_the_section_to_nobody(tmp_path: Path) -> None:
    company = Company(tmp_path)
    company.reference["section_rights"] = rows(RIGHTS)
    result = company.run(**trips("01-09", "01-10", "01-20", "01-21", "02-01"))
    assert refused(result, "section_not_allowed") == ["R01-09", "R01-21"]
    assert "on 2026-01-09" in result["findings"][0]["message"]
    # What stands below it has its right: P1 is a project of C1, P3 of nobody.
    result = company.run(**trips("01-11", "01-22", section="P1", axis="project"))
    assert refused(result, "section_not_allowed") == ["R01-22"]
    # A right that was over long ago still says that the section is reserved.
    assert refused(company.run(**trips("01-05", section="P2", axis="project")), "section_not_allowed") == ["R01-05"]
    company.check()


@pytest.mark.slow
def test_an_axis_is_required_while_it_is_active(tmp_path: Path) -> None:
    company = Company(tmp_path)
    company.reference["axes"] = rows("""
        axis    name    parent_axis required active_from active_to
        client  Client  -           true     2026-01-10  2026-01-20
        project Project client      false    -           -
    """)
    batch = trips("01-09", "01-10", "01-20", "01-21")
    batch["allocations"] = []
    assert refused(company.run(**batch), "axis_missing") == ["R01-10", "R01-20"]


FORMAT = """
title = "T"
source = "test"
kind = "delimited"
file = "'sections.csv'"
field = [
    { name = "section", from = "section_1" },
    { name = "label", from = "section_1_label" },
    { name = "debit", from = "debit", decimal = {} },
    { name = "credit", from = "credit", decimal = {} },
]
"""


@pytest.mark.slow
def test_labels_of_sections_are_in_the_language_of_the_profile(tmp_path: Path) -> None:
    company = Company(tmp_path)
    company.reference["section_names"] = rows("""
        axis   section language name
        client C1      en       One_in_English
        client C1      fr       Un
        client C2      fr       Deux
    """)
    company.run(
        expense_reports=[report()],
        expenses=[expense()],
        allocations=[
            allocation(percent="60", axis="client", section="C1"),
            allocation("2", "40", axis="client", section="C2"),
        ],
    )
    (tmp_path / "sections.toml").write_text(FORMAT)

    def labels(name: str, key: str) -> dict[str, str]:
        profile = tmp_path / f"{name}.toml"
        profile.write_text(f'format = "sections.toml"\nentity = "FR01"\naxes = ["client"]\n{key}')
        out = tmp_path / name
        result = company.invoke("export", "--profile", str(profile), "--out", str(out))
        assert result.exit_code == 0, result.output
        found = pl.read_csv(next(out.glob("sections.csv")), separator=",").drop_nulls("section")
        return dict(found.select("section", "label").rows())

    assert labels("plain", "") == {"C1": "One", "C2": "Two"}
    assert labels("english", 'language = "en"') == {"C1": "One in English", "C2": "Two"}
    # Made again after the names have changed, it says what it said.
    before = next((tmp_path / "english").glob("sections.csv")).read_bytes()
    company.reference["section_names"][0]["name"] = "Another"
    company.run()
    again = company.invoke("export", "--again", "2", "--out", str(tmp_path / "again"))
    assert again.exit_code == 0, again.output
    assert next((tmp_path / "again").glob("sections.csv")).read_bytes() == before
    refusal = tmp_path / "wrong.toml"
    refusal.write_text('format = "sections.toml"\nlanguage = "English"')
    assert company.invoke("export", "--profile", str(refusal), "--entity", "FR01", "--out", "x").exit_code == 2
