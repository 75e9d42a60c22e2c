"""Exports of the ledger of then: what it held, less what is taken by now; the same bytes again whatever comes later."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from pipeline.ledger.store import Store
from tests.exports.exporting import control_sheets, exported, written
from tests.exports.test_export import FR, XP, documents
from tests.support import Company, expense, order, report


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """A report of January, then its payment and a report of February, then a change that deletters the first."""
    company = Company(tmp_path_factory.mktemp("three-runs"))
    company.run(expense_reports=[report()], expenses=[expense()])
    company.run(
        expense_reports=[report("R2", declared_on="2026-02-20")], expenses=[expense("R2")], payment_orders=[order()]
    )
    company.run(
        expense_reports=[report(version="2", modified_on="2026-03-03")], expenses=[expense(version="2", gross="1.00")]
    )
    return company


@pytest.fixture
def three_runs(made: Company, tmp_path: Path) -> Company:
    """A copy of that ledger."""
    company = Company(tmp_path)
    shutil.copytree(made.store, company.store)
    company.runs = 3
    return company


def letterings(company: Company, out: str) -> list[str]:
    [content] = written(company, out).values()
    lines = content.decode().splitlines()
    place = lines[0].split(",").index("lettering")
    return sorted({line.split(",")[place] for line in lines[1:]})


def test_the_entries_and_letterings_are_those_of_the_run(three_runs: Company) -> None:
    exported(three_runs, *FR, "--as-of", "2")
    assert sorted(set(documents(three_runs))) == ["PO1", "R1", "R2"]
    assert letterings(three_runs, "out") == ["", "AAA"], "delettered by a later run"
    said = exported(three_runs, *FR, out="rest")
    assert (said["number"], said["run"]) == (2, 3)
    assert set(documents(three_runs, "rest")) == {"R1"}


def test_what_was_taken_meanwhile_is_not_taken_again(three_runs: Company) -> None:
    now = exported(three_runs, *FR, "--through", "2026-01-31")
    assert now["run"] == 3
    said = exported(three_runs, *FR, "--as-of", "2", out="then")
    assert (said["number"], documents(three_runs, "then")) == (2, ["R2"])
    assert exported(three_runs, *FR, "--as-of", "2", out="none")["entries"] == 0


def test_on_a_day_later_entries_stay_and_letterings_are_those_of_the_day(three_runs: Company) -> None:
    said = exported(three_runs, *FR, "--as-of-date", "2026-01-31")
    assert said["entries"] == 2
    assert letterings(three_runs, "out") == ["", "AAA"]
    [row] = json.loads(three_runs.invoke("exports", "--json").stdout)
    assert (row["run"], row["as_of_on"]) == (3, "2026-01-31")
    assert "run 3, the books at the end of 2026-01-31" in three_runs.invoke("exports").stdout
    assert "as of,,,,,,,,,2026-01-31" in control_sheets(three_runs)[0]


@pytest.mark.parametrize(
    "options", [("--as-of", "2"), ("--as-of-date", "2026-01-31"), ("--as-of", "2", "--as-of-date", "2026-02-28")]
)
def test_again_gives_the_same_bytes(options: tuple[str, ...], three_runs: Company) -> None:
    exported(three_runs, *FR, *options)
    first, sheets = written(three_runs), control_sheets(three_runs)
    three_runs.run(expense_reports=[report("R9", declared_on="2026-01-20")], expenses=[expense("R9")])
    exported(three_runs, "--again", "1", out="again")
    assert written(three_runs, "again") == first
    assert control_sheets(three_runs, "again") == sheets
    [name] = first
    file = three_runs.directory / "again" / name
    assert three_runs.invoke("verify", str(file)).exit_code == 0


def test_a_preview_of_then_records_nothing(three_runs: Company) -> None:
    said = exported(three_runs, *FR, "--as-of", "1", "--preview")
    assert (said["number"], said["run"], said["entries"]) == (None, 1, 1)
    assert json.loads(three_runs.invoke("exports", "--json").stdout) == []


def test_no_order_is_made_where_exports_make_them(company: Company) -> None:
    company.run(expense_reports=[report()], expenses=[expense(legal_entity="XP01")])
    said = exported(company, "--format", "csv", *XP, "--as-of", "1")
    assert documents(company) == ["R1"]
    assert said["notes"] == [
        "no payment order was made: this is the ledger as it was, and an order pays what is open today"
    ]
    assert Store.open(company.store).run == 1
    shown = company.invoke("export", "--format", "csv", *XP, "--as-of", "1", "--out", str(company.directory / "out"))
    assert "note: no payment order was made" in shown.stdout
    exported(company, "--format", "csv", *XP, "--on", "2026-04-03", out="now")
    assert documents(company, "now") == ["export-2"], "the order of the next export pays"


def test_a_run_that_is_not_there_is_wrong_usage(three_runs: Company) -> None:
    assert "it has runs 1 to 3" in exported(three_runs, *FR, "--as-of", "4", expect=2)["error"]
    assert "go with --format" in exported(three_runs, "--again", "1", "--as-of", "1", expect=2)["error"]
    assert "go with --format" in exported(three_runs, "--order", "PO1", "--as-of-date", "2026-01-31", expect=2)["error"]


def test_exports_recorded_without_a_day_are_read_as_before(three_runs: Company) -> None:
    exported(three_runs, *FR, "--as-of", "1")
    store = Store.open(three_runs.store)
    with store.writing() as writer:
        rows = pl.concat([pl.read_parquet(path) for path in store.files("exports")])
        writer.replace("exports")
        writer.write("exports", rows.drop("as_of_on"))
        writer.commit(None, {})
    exported(three_runs, *FR, "--as-of-date", "2026-02-28", out="second")
    exported(three_runs, "--again", "1", out="again")
    assert written(three_runs, "again") == written(three_runs)
    rows_now = json.loads(three_runs.invoke("exports", "--json").stdout)
    assert [row["as_of_on"] for row in rows_now] == [None, "2026-02-28"]
