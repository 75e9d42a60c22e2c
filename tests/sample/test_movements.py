"""The batches show what they are meant to show, and only the documents that the page tells of land in quarantine."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipeline.ledger.check import check
from pipeline.ledger.dump import dump
from pipeline.ledger.store import Store
from pipeline.run import run
from pipeline.sample import write_sample
from schemas import MOVEMENTS
from schemas.table import key

DATA = Path(__file__).parents[2] / "data"
LAST_RUN = {1: date(2026, 2, 1), 2: date(2026, 3, 1), 3: date(2026, 4, 1)}

Tables = dict[str, pl.DataFrame]


@pytest.fixture(scope="module")
def movements() -> Tables:
    """The three batches, one after the other, all text."""
    return {
        name: pl.concat(
            pl.read_csv(path, infer_schema=False).with_columns(batch=pl.lit(batch))
            for batch in (1, 2, 3)
            if (path := DATA / "sample" / f"batch-{batch}" / f"{name}.csv").exists()
        )
        for name in MOVEMENTS
    }


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """The tables of the ledger after the three batches."""
    return ledger_of(DATA / "sample", tmp_path_factory.mktemp("ledger"))


def ledger_of(sample: Path, home: Path) -> Tables:
    for batch, on in LAST_RUN.items():
        run(sample / "reference", sample / f"batch-{batch}", home / "store", on=on)
    store = Store.open(home / "store")
    assert check(store) == []
    dump(store, home / "dump")
    return {path.stem: pl.read_parquet(path) for path in (home / "dump").glob("*.parquet")}


def told_to_be_quarantined() -> list[tuple[str, str, int, int | None]]:
    """What data/README.md tells: document, rule, batch, and the batch that mends it."""
    page = (DATA / "README.md").read_text(encoding="utf-8")
    told = re.findall(
        r"^\| (\d) \| ([\w-]+)(?:, \w+)? \| `(\w+)` \|.*\| (mended in batch (\d)|waits)", page, re.MULTILINE
    )
    return sorted(
        (document, rule, int(batch), int(mended) if mended else None) for batch, document, rule, _, mended in told
    )


def found_in_quarantine(ledger: Tables) -> list[tuple[str, str, int, int | None]]:
    quarantine = ledger["quarantine"].filter(pl.col("rule") != "invalid_iban")
    return sorted(quarantine.select("document", "rule", "first_run", "resolved_run").unique().iter_rows())


def test_the_documents_that_the_page_tells_of_land_in_quarantine_and_no_others(ledger: Tables) -> None:
    assert len(told_to_be_quarantined()) == 17
    assert found_in_quarantine(ledger) == told_to_be_quarantined()


def test_two_employees_are_left_out_of_their_orders(ledger: Tables) -> None:
    left_out = ledger["quarantine"].filter(pl.col("rule") == "invalid_iban")["row_key"].to_list()
    assert sorted(left_out) == sorted(
        f"PO-{order}-260{month}|{employee}"
        for order, employee in (("FR01", "E00019"), ("FR02", "E00032"))
        for month in (1, 2, 3)
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_it_is_so_for_other_seeds(tmp_path: Path, seed: int) -> None:
    write_sample(tmp_path / "sample", seed=seed, parquet=True)
    assert found_in_quarantine(ledger_of(tmp_path / "sample", tmp_path)) == told_to_be_quarantined()


@pytest.mark.slow
def test_in_a_larger_sample_few_more_do(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample", scale=20, parquet=True)
    more = set(found_in_quarantine(ledger_of(tmp_path / "sample", tmp_path))) - set(told_to_be_quarantined())
    assert {rule for _, rule, _, _ in more} == {"no_account", "allocation_not_100"}
    assert 5 < len(more) < 60


def test_payments_are_made_returned_cancelled_and_made_again(ledger: Tables) -> None:
    payments = ledger["payments"]
    of_returned = payments.filter(pl.col("employee") == "E00003").sort("payment_order")
    assert of_returned["status"].to_list() == ["returned", "paid", "paid"]
    assert of_returned["amount"][1] > of_returned["amount"][0]
    assert set(payments.filter(pl.col("payment_order") == "PO-JP01-2602")["status"]) == {"cancelled"}
    assert set(payments["legal_entity"]) == {"FR01", "FR02", "BE01", "TN01", "JP01"}


def test_the_ledger_holds_every_journal_currency_and_axis(ledger: Tables) -> None:
    lines = ledger["entry_lines"]
    assert set(lines["journal"]) == {"expense_report", "company_paid", "payment", "advance", "advance_imputation"}
    assert set(lines["currency"]) == {"EUR", "TND", "CHF", "JPY"}
    assert lines["foreign_currency"].n_unique() >= 6
    axes = ("business_unit", "cost_center", "client", "project")
    assert all(lines[f"axis_{axis}"].n_unique() > 3 for axis in axes)
    assert lines.filter(pl.col("reversal")).height > 100
    assert set(lines.filter(pl.col("legal_entity") == "FR02")["fiscal_year"]) == {2026, 2027}
    assert lines.filter(pl.col("employee") == "E00017")["legal_entity"].n_unique() > 1
    closed = lines.filter(pl.col("document_date") <= date(2025, 12, 31), pl.col("legal_entity") == "FR01")
    assert set(closed["entry_date"]) == {date(2026, 1, 1)}


def test_everything_that_can_become_of_a_row_becomes_of_one(ledger: Tables) -> None:
    runs = ledger["runs"].filter(pl.col("table_name") == "expense_reports")
    fates = runs.select("posted", "unchanged", "superseded", "ignored", "quarantined").sum().row(0)
    assert min(fates) > 0
    assert runs["unchanged"].to_list()[0] == 0
    assert runs["retried"].sum() > 0


def test_reports_and_advances_are_of_every_kind(movements: Tables) -> None:
    reports, expenses, advances = (movements[name] for name in ("expense_reports", "expenses", "advances"))
    assert set(reports["status"]) == {"draft", "declared", "approved", "cancelled"}
    assert set(reports["version"]) == {"1", "2", "3"}
    assert set(expenses["payment_method"]) == {"personal", "card", "bank", "cash"}
    assert set(expenses["currency"]) == {"EUR", "USD", "GBP", "CHF", "JPY", "TND"}
    assert expenses.filter(pl.col("gross").str.starts_with("-")).height > 50
    assert expenses["legal_entity"].drop_nulls().n_unique() >= 5
    assert set(advances["kind"]) == {"one_time", "regular", "third_party"}
    assert set(advances["movement"]) == {"grant", "reimbursement"}
    assert set(advances["compensation"]) == {"bank", "cash", "card"}
    assert set(advances["status"]) == {"active", "cancelled"}
    a_month = reports.filter(pl.col("version") == "1").group_by("batch").len().sort("batch")["len"]
    assert a_month.is_between(390, 425).all()


def test_vat_is_given_in_every_way(movements: Tables) -> None:
    taxes = movements["expense_taxes"].with_columns(
        codes=pl.len().over("report", "version", "expense", "batch"),
        says_gross=pl.col("taxed_gross").is_not_null(),
        says_vat=pl.col("vat_amount").is_not_null(),
    )
    ways = set(taxes.select("codes", "says_gross", "says_vat").unique().iter_rows())
    both_ways = {(2, True, False), (2, False, True), (2, True, True)}
    assert ways >= {(1, False, False), (1, True, False), (1, False, True), (1, True, True)} | both_ways
    rates = movements["expenses"]["exchange_rate"].drop_nulls()
    assert rates.str.contains(r"\.\d{8}$").sum() > 100


def test_keys_stand_once_a_batch(movements: Tables) -> None:
    twice = {
        document
        for name, rows in movements.items()
        for document in rows.filter(pl.struct(*key(MOVEMENTS[name]), "batch").is_duplicated()).to_series()
    }
    assert twice == {"R2603-S02"}


def test_splits_add_up(movements: Tables) -> None:
    splits = movements["allocations"].unique(["report", "version", "expense", "split", "batch"])
    percents = splits.group_by("report", "version", "expense", "batch").agg(
        pl.col("percent").cast(pl.Decimal(9, 4)).sum()
    )
    assert percents.filter(pl.col("percent") != 100)["report"].to_list() == ["R2601-S05"]
    assert "33.3333" in splits["percent"]


def test_orders_cut_off_later_and_later(movements: Tables) -> None:
    orders = (
        movements["payment_orders"]
        .filter(pl.col("version") == "1")
        .unique(["payment_order"])
        .sort("legal_entity", "created_on")
    )
    later = orders.select(pl.col("cutoff_on").str.to_date().diff().over("legal_entity")).to_series().drop_nulls()
    assert later.len() == 10
    assert (later.dt.total_days() > 0).all()


def test_labels_can_be_written_in_the_encodings_of_accounting_packages(movements: Tables) -> None:
    for name in ("expense_reports", "expenses", "advances"):
        text = "".join(movements[name]["label"].drop_nulls().unique().sort())
        assert text.encode("cp1252")
        assert text.encode("iso8859-15")
        assert not set(text) & set('\t|\r\n"')
