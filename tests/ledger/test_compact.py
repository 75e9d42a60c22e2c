"""Compaction: fewer files, the same ledger, today and as of every run; readers and older exports notice nothing."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import polars as pl
import pytest

from pipeline import run as running
from pipeline.errors import StoreError
from pipeline.ledger import compact as compaction
from pipeline.ledger.chain import last_link
from pipeline.ledger.check import check
from pipeline.ledger.compact import compact
from pipeline.ledger.store import Store
from tests.support import Company, expense, order, report


@pytest.fixture(scope="module")
def days(small_ledger: Company, tmp_path_factory: pytest.TempPathFactory) -> Company:
    """The small ledger and five more days: reports, one of them changed once paid, a payment, an export."""
    ledger = Company(tmp_path_factory.mktemp("days"))
    shutil.copytree(small_ledger.store, ledger.store)
    ledger.runs = small_ledger.runs
    for day in range(5, 9):
        ledger.run(
            expense_reports=[report(f"R{day}", declared_on=f"2026-03-0{day}")],
            expenses=[expense(f"R{day}", gross=f"{day}.50")],
            payment_orders=[order(f"PO{day}", created_on=f"2026-03-0{day}", cutoff_on=f"2026-03-0{day}")],
        )
    ledger.invoke("export", "--format", "csv", "--entity", "FR01", "--out", str(ledger.directory / "first"))
    ledger.run(
        expense_reports=[report("R6", version="2", declared_on="2026-03-06", modified_on="2026-03-10")],
        expenses=[expense("R6", version="2", gross="7.00")],
    )
    return ledger


@pytest.fixture
def daily(days: Company, tmp_path: Path) -> Company:
    """A copy of these days."""
    company = Company(tmp_path / "daily")
    shutil.copytree(days.directory, company.directory)
    company.runs = days.runs
    return company


def dumps(company: Company, name: str) -> dict[str, bytes]:
    """Every table as of every run."""
    found: dict[str, bytes] = {}
    for run in range(1, Store.open(company.store).run + 1):
        out = company.directory / name / str(run)
        assert company.invoke("dump", "--as-of", str(run), "--out", str(out)).exit_code == 0
        found |= {f"{run}/{path.name}": path.read_bytes() for path in out.iterdir()}
    return found


def file_count(company: Company) -> int:
    store = Store.open(company.store)
    return sum(len(store.segments(kind)) for kind in store.kinds())


@pytest.mark.slow
def test_the_ledger_is_the_same_as_of_every_run(daily: Company) -> None:
    before, files = dumps(daily, "before"), file_count(daily)
    link = last_link(Store.open(daily.store))
    result = daily.invoke("compact", "--json")
    assert result.exit_code == 0
    assert {"kind": "entry_lines", "before": 8, "after": 1}.items() <= json.loads(result.stdout)[3].items()
    assert file_count(daily) < files / 2
    assert dumps(daily, "after") == before
    assert check(Store.open(daily.store), with_chain=True) == []
    assert last_link(Store.open(daily.store)) == link, "it adds nothing"
    assert Store.open(daily.store).run == 8


def test_an_export_made_before_comes_again_to_the_byte(daily: Company) -> None:
    compact(Store.open(daily.store))
    out = daily.directory / "again"
    assert daily.invoke("export", "--again", "1", "--out", str(out)).exit_code == 0
    first = {path.name: path.read_bytes() for path in (daily.directory / "first").iterdir()}
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first


@pytest.mark.slow
def test_runs_go_on_after_it_as_if_it_had_not_been(daily: Company, tmp_path: Path) -> None:
    other = Company(tmp_path)
    other.store, other.runs = tmp_path / "other", daily.runs
    shutil.copytree(daily.store, other.store)
    compact(Store.open(daily.store))
    for company in (daily, other):
        company.run(
            expense_reports=[report("R7", version="2", declared_on="2026-03-07", modified_on="2026-03-12")],
            expenses=[expense("R7", version="2", gross="1.00")],
            payment_returns=[{"payment_order": "PO8", "employee": "E1", "returned_on": "2026-03-12", "reason": "no"}],
            payment_orders=[order("PO20", created_on="2026-03-20", cutoff_on="2026-03-20")],
        )
    one, two = dumps(daily, "a"), dumps(other, "b")
    assert {name for name in one if one[name] != two[name]} <= {"9/run_times.parquet"}
    assert check(Store.open(daily.store), with_chain=True) == []


def test_a_reader_that_has_the_names_can_open_them_for_an_hour(daily: Company) -> None:
    reader = Store.open(daily.store)
    compact(reader)
    daily.run(expense_reports=[report("R10")], expenses=[expense("R10")])
    assert all(pl.read_parquet(path, hive_partitioning=False).height for path in reader.files("entry_lines"))
    old = [Path(path) for path in reader.files("entry_lines")]
    for log in (daily.store / "_delta_log").glob("*.json"):
        os.utime(log, (time.time() - 4000,) * 2)
    daily.run(expense_reports=[report("R11")], expenses=[expense("R11")])
    assert not any(path.exists() for path in old), "then the next run clears them away"


def test_nothing_to_merge_makes_no_commit(daily: Company) -> None:
    compact(Store.open(daily.store))
    version = Store.open(daily.store).version
    result = daily.invoke("compact")
    assert (result.exit_code, result.stdout) == (0, "nothing to merge\n")
    assert Store.open(daily.store).version == version


@pytest.mark.slow
def test_large_segments_are_left_as_they_are(daily: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(daily.store)
    sizes = [segment.size for segment in store.segments("entry_lines")]
    monkeypatch.setattr(compaction, "LARGE", sizes[0])
    compact(store)
    after = Store.open(daily.store).segments("entry_lines")
    assert after[0] == store.segments("entry_lines")[0]
    assert (after[0].first, after[0].last) == (1, 1)
    assert len(after) < len(sizes)
    ends = [run for segment in after for run in (segment.first, segment.last)]
    assert ends == sorted(ends), "no two of them hold the rows of one run"


def test_what_was_changed_is_not_merged(daily: Company) -> None:
    path = Path(Store.open(daily.store).files("documents")[0])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(StoreError, match="a segment is not what was written"):
        compact(Store.open(daily.store))
    assert str(path) in daily.invoke("compact").stderr


def test_no_ledger_is_nothing_to_compact(tmp_path: Path) -> None:
    result = Company(tmp_path).invoke("compact")
    assert result.exit_code == 1
    assert "there is no ledger store here" in result.stderr


@pytest.mark.slow
def test_a_run_says_when_files_should_be_merged(daily: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_MANY_FILES", 10)
    result = daily.run(expense_reports=[report("R10")], expenses=[expense("R10")])
    assert "the ledger has up to 10 files a table: `lettrage compact` merges them" in result["notes"]
    compact(Store.open(daily.store))
    assert not daily.run(expense_reports=[report("R11")], expenses=[expense("R11")])["notes"]
