"""What a profile asks of a format: lines and entries gathered, amounts rounded, days, accounts and axes of its own."""

from __future__ import annotations

import io
from decimal import Decimal

import polars as pl
import pytest

from tests.exports.exporting import control_sheets, exported, profile, written
from tests.support import Company, allocation, expense, report, sampled, tax

FR = ("--entity", "FR01")


def table(company: Company, text: str, name: str = "p", out: str = "out") -> pl.DataFrame:
    """What the CSV of a profile holds."""
    exported(company, "--profile", str(profile(company, text, name)), *FR, out=out)
    ((_, content),) = written(company, out).items()
    read = pl.read_csv(io.BytesIO(content), infer_schema=False)
    return read.with_columns(pl.col("debit", "credit").cast(pl.Decimal(18, 4)))


def sums(lines: pl.DataFrame, *by: str) -> dict[str, tuple[Decimal, Decimal]]:
    found = lines.group_by(*by).agg(pl.col("debit").sum(), pl.col("credit").sum()).sort(*by)
    return {"/".join(row[:-2]): (row[-2], row[-1]) for row in found.iter_rows()}


@pytest.fixture
def busy(company: Company) -> Company:
    """Three reports of two employees in two months, with sections, VAT and a card."""
    company.run(
        expense_reports=[
            report(label="January"),
            report("R2", employee="E2", declared_on="2026-01-20", label="Trip"),
            report("R3", declared_on="2026-02-03", label="February"),
        ],
        expenses=[
            expense(gross="120.30"),
            expense(expense="X2", gross="80.45", label="again"),
            expense(expense="X3", payment_method="card", gross="33.33"),
            expense("R2", gross="60.55"),
            expense("R3", gross="9.99"),
        ],
        expense_taxes=[tax(), tax("X2"), tax(expense="X3", vat_code="V10")],
        allocations=[
            allocation(percent="60"),
            allocation("2", "40", axis="client", section="C2"),
            allocation(expense="X2"),
        ],
    )
    return company


MERGE = """
format = "csv"
entries = "all"
[merge]
charges = "{charges}"
vat = "{vat}"
counterparts = "{counterparts}"
entries = "{entries}"
"""


@pytest.mark.parametrize("entries", ["entry", "document", "employee_month", "journal_month"])
@pytest.mark.parametrize("charges", sampled(["none", "account", "sections"]))
def test_totals_agree_whatever_is_gathered(busy: Company, entries: str, charges: str) -> None:
    whole = table(busy, 'format = "csv"', "whole", "whole")
    text = MERGE.format(charges=charges, vat="code", counterparts="account", entries=entries)
    merged = table(busy, text, "merged", "merged")
    by = ("journal_code", "account")
    assert sums(merged, *by) == sums(whole, *by)
    for debit, credit in sums(merged, "journal_code", "fiscal_year", "entry_number").values():
        assert debit == credit
    assert len(merged) <= len(whole)
    assert not merged["label"].is_null().any()
    (sheet,) = control_sheets(busy, "merged")
    file = next(line for line in sheet.splitlines() if line.startswith("file,"))
    assert f",{len(merged)}," in file


def test_an_entry_for_each_employee_and_month(busy: Company) -> None:
    text = MERGE.format(charges="account", vat="account", counterparts="account", entries="employee_month")
    merged = table(busy, text)
    entries = merged.filter(journal_code="NDF").unique(["entry_number"]).sort("entry_number")
    assert entries["entry_date"].to_list() == ["2026-01-12", "2026-01-20", "2026-02-03"]
    assert entries["employee"].to_list() == ["E1", "E2", "E1"]
    journal = table(
        busy, MERGE.format(charges="none", vat="none", counterparts="none", entries="journal_month"), "j", "j"
    )
    january = journal.filter(journal_code="NDF").filter(pl.col("entry_date").str.starts_with("2026-01"))
    assert january["entry_number"].unique().to_list() == ["1"]
    assert january["entry_date"].unique().to_list() == ["2026-01-20"]
    assert january["document"].unique().to_list() == ["NDF-202601"]


@pytest.mark.parametrize("decimals", [0, 1])
@pytest.mark.parametrize("mode", ["round", "truncate"])
def test_rounded_entries_balance_and_the_correction_is_shown(busy: Company, decimals: int, mode: str) -> None:
    whole = table(busy, 'format = "csv"', "whole", "whole")
    text = f'format = "csv"\n[rounding]\ndecimals = {decimals}\nmode = "{mode}"'
    rounded = table(busy, text, "rounded", "rounded")
    unit = Decimal(1).scaleb(-decimals)
    for debit, credit in sums(rounded, "journal_code", "entry_number").values():
        assert debit == credit
        assert debit % unit == 0
    (sheet,) = control_sheets(busy, "rounded")
    rows = [line.split(",") for line in sheet.splitlines() if line.startswith("rounding,")]
    shown = {row[2]: Decimal(row[6]) - Decimal(row[7]) for row in rows}
    exact, made = (
        {account: debit - credit for account, (debit, credit) in sums(lines, "account").items()}
        for lines in (whole, rounded)
    )
    assert shown == {
        account: made.get(account, Decimal(0)) - amount
        for account, amount in exact.items()
        if made.get(account, Decimal(0)) != amount
    }


DAYS = """
title = "T"
source = "test"
kind = "delimited"
file = "'days.csv'"
field = [
    { name = "account", from = "account" },
    { name = "entry_date", from = "entry_date", date = "%Y-%m-%d" },
    { name = "due_on", from = "due_on", date = "%Y-%m-%d" },
    { name = "validated_on", from = "validated_on", date = "%Y-%m-%d" },
    { name = "period", from = "fiscal_period" },
    { name = "section", from = "section_1" },
    { name = "section_label", from = "section_1_label" },
    { name = "other", from = "section_2" },
    { name = "debit", from = "debit", decimal = {} },
    { name = "credit", from = "credit", decimal = {} },
]
"""


def test_days_accounts_and_axes_are_as_the_profile_says(busy: Company) -> None:
    (busy.directory / "days.toml").write_text(DAYS)
    plain = table(busy, 'format = "days.toml"', "a", "a")
    assert plain["due_on"].null_count() == len(plain)
    assert set(plain["section"].drop_nulls()) == {"C1", "C2"}
    text = (
        'format = "days.toml"\nvalidated_on = "entry_date"\nemployee_account = "4670"\naxes = ["project"]\n'
        '[due]\nafter = "document_date"\ndays = 10\nmonth_end = true'
    )
    asked = table(busy, text, "b", "b")
    first = asked.row(0, named=True)
    assert (first["entry_date"], first["due_on"], first["validated_on"], first["period"]) == (
        "2026-01-12", "2026-01-31", "2026-01-12", "1",
    )  # fmt: skip
    assert "421000" not in asked["account"].to_list()
    assert "4670" in asked["account"].to_list()
    bearing = asked.filter(pl.col("section").is_not_null())
    assert set(bearing["section"]) == {"P1"}
    assert set(bearing["section_label"]) == {"First"}
    assert asked["other"].null_count() == len(asked)


def test_what_a_profile_asked_comes_again(busy: Company) -> None:
    text = MERGE.format(charges="account", vat="code", counterparts="account", entries="journal_month")
    text += '[rounding]\ndecimals = 1\n[codes.account]\n421000 = "4210"\n'
    table(busy, text, "p", "once")
    busy.run(expense_reports=[report("R9", declared_on="2026-02-27")], expenses=[expense("R9")])
    result = busy.invoke("export", "--again", "1", "--out", str(busy.directory / "again"))
    assert result.exit_code == 0, result.output
    assert written(busy, "again") == written(busy, "once")
    assert control_sheets(busy, "again") == control_sheets(busy, "once")


def test_a_file_for_each_month_and_for_each_journal(busy: Company) -> None:
    for split, count in (("month", 2), ("journal_code", 2)):
        form = DAYS.replace("\"'days.csv'\"", "\"journal_code & date(first_on, '%Y-%m-%d') & '.csv'\"")
        (busy.directory / f"{split}.toml").write_text(f'split_by = "{split}"\n{form}')
        exported(busy, "--profile", str(profile(busy, f'format = "{split}.toml"', f"by-{split}")), *FR, out=split)
        files = written(busy, split)
        assert len(files) == count, files
