"""The group is one that banks, tax offices and accountants would take for real."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from schwifty import IBAN

from pipeline.sample import write_sample
from pipeline.stage.reference import read_reference

SAMPLE = Path(__file__).parents[2] / "data" / "sample"

Tables = dict[str, pl.DataFrame]


@pytest.fixture(scope="module")
def reference() -> Tables:
    return read_reference(SAMPLE / "reference")


def test_a_larger_group_too_is_a_reference_that_can_be_read(tmp_path: Path) -> None:
    write_sample(tmp_path, seed=5, scale=4, parquet=True)
    tables = read_reference(tmp_path / "reference")
    assert tables["employees"].height == 240
    assert tables["employees"]["email"].is_unique().all()
    assert tables["employees"]["auxiliary"].is_unique().all()
    assert tables["section_rights"].is_unique().all()


def test_the_group_is_as_wide_as_it_says(reference: Tables) -> None:
    entities = reference["legal_entities"]
    assert set(entities["payment_mode"]) == {"sepa", "list", "at_export"}
    assert set(entities["approval"]) == {"none", "required"}
    assert set(entities["currency"]) == {"EUR", "TND", "CHF", "JPY"}
    assert entities["closed_through"].null_count() < entities.height
    assert entities["fiscal_year_start"].n_unique() > 1
    assert reference["employees"].height == 60
    assert reference["affiliations"].group_by("employee").len().filter(pl.col("len") > 1)["employee"].to_list() == [
        "E00017"
    ]


def test_siren_numbers_pass_luhn(reference: Tables) -> None:
    for siren in reference["legal_entities"]["siren"].drop_nulls():
        doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(siren))]
        assert sum(digit // 10 + digit % 10 for digit in doubled) % 10 == 0


def test_ibans_and_bics_are_valid(reference: Tables) -> None:
    for table in ("legal_entities", "bank_accounts", "employees"):
        for iban, bic in reference[table].select("iban", "bic").drop_nulls("iban").iter_rows():
            found = IBAN(iban, validate_bban=True)
            assert bic is None or str(found.bic).startswith(bic)


def test_one_employee_of_each_sepa_entity_cannot_be_paid_by_transfer(reference: Tables) -> None:
    entities = reference["legal_entities"].filter(pl.col("payment_mode") == "sepa")["legal_entity"]
    paid_so = (
        reference["employees"]
        .join(reference["affiliations"], on="employee")
        .filter(pl.col("legal_entity").is_in(entities.implode()))
    )
    unpayable = [
        employee
        for employee, iban in paid_so.select("employee", "iban").sort("employee").iter_rows()
        if iban is None or not IBAN(iban).in_sepa_zone
    ]
    assert unpayable == ["E00019", "E00032"]


def test_names_are_distinct_and_some_have_accents(reference: Tables) -> None:
    names = reference["employees"]["name"]
    assert names.is_unique().all()
    assert sum(not name.isascii() for name in names) > 20


def test_texts_can_be_written_in_the_encodings_of_accounting_packages(reference: Tables) -> None:
    for table, frame in reference.items():
        for column in frame.select(pl.selectors.string()):
            for text in column.drop_nulls():
                assert text.encode("cp1252"), table
                assert text.encode("iso8859-15"), table
                assert not set(text) & set('\t|\r\n"')


def test_charts_are_such_as_a_fec_can_carry(reference: Tables) -> None:
    chart = reference["chart_of_accounts"]
    french = chart.filter(pl.col("legal_entity").is_in(["*", "FR01", "FR02"]))
    assert french["account"].str.contains(r"^\d{6}$").all()
    assert chart["label"].null_count() == 0
    one_label = (
        chart.with_columns(pl.col("legal_entity").replace({"FR01": "*", "FR02": "*"}))
        .group_by("legal_entity", "account")
        .agg(pl.col("label").n_unique())
    )
    assert one_label["label"].max() == 1
    assert reference["journals"]["code"].str.len_chars().max() <= 3
    codes = reference["journals"].group_by("legal_entity", "code").agg(pl.col("label").n_unique())
    assert codes["label"].max() == 1
