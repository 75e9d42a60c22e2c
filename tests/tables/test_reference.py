"""A broken reference ends the run with exit 2, every broken row named (spec §2): no document is judged by it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import BrokenReferenceError, InputError
from pipeline.stage.reference import REQUIRED, read_reference
from schemas import REFERENCE
from tests.support import Company, Tables, expense, reference, report, write

Change = Callable[[Tables], object]


def row_of(table: str, place: int = 0, **cells: str) -> Change:
    """Changes cells of a row."""
    return lambda tables: tables[table][place].update(cells)


def one_more(table: str, **cells: str) -> Change:
    """Adds a row that is another's but for some cells."""
    return lambda tables: tables[table].append({**tables[table][0], **cells})


BROKEN: list[tuple[Change, str]] = [
    # types and enums
    (row_of("legal_entities", closed_through="31/01/2026"), "legal_entities FR01: closed_through cannot be 31/01/2026"),
    (row_of("legal_entities", closed_through="2026-02-30"), "legal_entities FR01: closed_through cannot be 2026-02-30"),
    (row_of("legal_entities", fiscal_year_start="13-01"), "legal_entities FR01: fiscal_year_start cannot be 13-01"),
    (row_of("legal_entities", fiscal_year_start="4-1"), "legal_entities FR01: fiscal_year_start cannot be 4-1"),
    (row_of("legal_entities", payment_mode="cheque"), "legal_entities FR01: payment_mode cannot be cheque"),
    (row_of("legal_entities", approval="SOME"), "legal_entities FR01: approval cannot be SOME"),
    (row_of("journals", journal="sales"), "journals *|sales: journal cannot be sales"),
    (row_of("affiliations", valid_from="2024"), "affiliations E1|2024: valid_from cannot be 2024"),
    (row_of("chart_of_accounts", role="staff"), "chart_of_accounts *|staff|*|*: role cannot be staff"),
    (row_of("vat_codes", rate="20,0"), "vat_codes V20: rate cannot be 20,0"),
    (row_of("vat_codes", rate="20.0001"), "vat_codes V20: rate cannot be 20.0001"),
    (row_of("vat_codes", rate="-20"), "vat_codes V20: rate is 0 or more, not -20.000"),
    (row_of("vat_codes", recoverable_percent="100.5"), "V20: recoverable_percent is between 0 and 100, not 100.500"),
    (row_of("axes", required="yes"), "axes client: required cannot be yes"),
    (row_of("sections", active_from="soon"), "sections client|C1: active_from cannot be soon"),
    (one_more("axes", axis="Cost centre"), "axes Cost centre: it is to be a column"),
    (one_more("axes", axis="a" * 31), "it is to be a column"),
    (one_more("axes", axis="a\n"), "it is to be a column"),
    # what is required
    (row_of("legal_entities", name=""), "legal_entities FR01: name is required and empty"),
    (row_of("legal_entities", currency=""), "legal_entities FR01: currency is required and empty"),
    (row_of("journals", code=""), "journals *|expense_report: code is required and empty"),
    (row_of("employees", employee=""), "employees : employee is required and empty"),
    (row_of("chart_of_accounts", account=""), "chart_of_accounts *|employee|*|*: account is required and empty"),
    # double keys
    (one_more("legal_entities"), "legal_entities FR01: this key stands 2 times"),
    (one_more("journals", code="X"), "journals *|expense_report: this key stands 2 times"),
    (one_more("employees", name="Another"), "employees E1: this key stands 2 times"),
    (one_more("affiliations", legal_entity="BE01"), "affiliations E1|2024-01-01: this key stands 2 times"),
    (one_more("chart_of_accounts", account="1"), "chart_of_accounts *|employee|*|*: this key stands 2 times"),
    (one_more("vat_codes", rate="19"), "vat_codes V20: this key stands 2 times"),
    (one_more("bank_accounts", name="X"), "bank_accounts FR01|BNP: this key stands 2 times"),
    (one_more("axes", name="X"), "axes client: this key stands 2 times"),
    (one_more("sections", name="X"), "sections client|C1: this key stands 2 times"),
    (one_more("section_rights"), "section_rights project|P2|E2|||: this key stands 2 times"),
    (
        lambda tables: tables.update(
            payment_methods=[{"legal_entity": "*", "payment_method": "card", "counterpart": "report"}] * 3
        ),
        "payment_methods *|card: this key stands 3 times",
    ),
    # currencies
    (row_of("legal_entities", currency="EURO"), "legal_entities FR01: EURO is no currency of ISO 4217"),
    (row_of("legal_entities", currency="USD"), "legal_entities FR01: payment_mode sepa goes with EUR, not with USD"),
    # parents and cycles
    (row_of("axes", 1, parent_axis="region"), "axes project: there is no parent axis region"),
    (row_of("axes", parent_axis="client"), "axes client: its parents go round in a circle"),
    (row_of("axes", parent_axis="project"), "axes project: its parents go round in a circle"),
    (row_of("sections", axis="region"), "sections region|C1: there is no axis region"),
    (row_of("sections", 2, parent_section="C9"), "sections project|P1: there is no parent section C9 on axis client"),
    (row_of("sections", parent_section="P1"), "sections client|C1: there is no parent section P1 on axis (none)"),
    # rights
    (row_of("section_rights", section="P9"), "section_rights project|P9: there is no such section"),
    (row_of("section_rights", department="sales"), "section_rights project|P2: exactly one of employee, department"),
    (row_of("section_rights", employee=""), "section_rights project|P2: exactly one of employee, department"),
]


def refusal(directory: Path, tables: Tables) -> str:
    with pytest.raises(BrokenReferenceError) as caught:
        read_reference(write(directory, tables))
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(("change", "said"), BROKEN, ids=[said for _, said in BROKEN])
def test_a_broken_row_is_named(change: Change, said: str, tmp_path: Path) -> None:
    tables = reference()
    change(tables)
    assert said in refusal(tmp_path, tables)


def test_every_broken_row_is_named(tmp_path: Path) -> None:
    tables = reference()
    tables["employees"] += [{"employee": f"N{number:02}", "name": ""} for number in range(50)]
    tables["journals"] += [{"legal_entity": "FR01", "journal": "sales", "code": "V", "label": "Sales"}]
    message = refusal(tmp_path, tables)
    assert [f"employees N{number:02}: name is required and empty" in message for number in range(50)] == [True] * 50
    assert "journals FR01|sales: journal cannot be sales" in message
    assert "51 rows are broken" in message


def test_a_row_with_two_faults_is_named_for_both_and_its_double_too(tmp_path: Path) -> None:
    tables = reference()
    tables["employees"] += [{"employee": "E1", "name": ""}]
    message = refusal(tmp_path, tables)
    assert "employees E1: name is required and empty" in message
    assert "employees E1: this key stands 2 times" in message


def test_keys_that_cannot_be_read_are_no_double_of_each_other(tmp_path: Path) -> None:
    tables = reference()
    tables["affiliations"] += [{**tables["affiliations"][0], "valid_from": day} for day in ("2024", "x")]
    assert "this key stands" not in refusal(tmp_path, tables)


def test_a_ragged_row_is_named_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, reference())
    with (tmp_path / "vat_codes.csv").open("a") as file:
        file.write("V5,5\r\n")
    with pytest.raises(BrokenReferenceError, match="vat_codes line 5: 2 cells where the header has 3: V5,5"):
        read_reference(tmp_path)


@pytest.mark.parametrize("table", REQUIRED)
def test_a_table_that_must_be_there_is_named(table: str, tmp_path: Path) -> None:
    tables = reference()
    del tables[table]
    with pytest.raises(InputError, match=f"the reference tables {table} are missing"):
        read_reference(write(tmp_path, tables))


def test_other_tables_may_be_missing_and_are_empty(tmp_path: Path) -> None:
    found = read_reference(write(tmp_path, {table: rows for table, rows in reference().items() if table in REQUIRED}))
    assert list(found) == list(REFERENCE)
    assert [table for table, frame in found.items() if frame.is_empty()] == [t for t in REFERENCE if t not in REQUIRED]


def test_defaults_are_filled_in(tmp_path: Path) -> None:
    found = read_reference(write(tmp_path, reference()))
    assert found["employees"]["auxiliary"].to_list() == ["MOREAU", "SAID", "E3"]
    assert found["legal_entities"].sort("legal_entity")["fiscal_year_start"].to_list() == ["04-01", *["01-01"] * 3]


def test_accounts_of_a_legal_entity_that_is_not_there_break_nothing(tmp_path: Path) -> None:
    company = Company(tmp_path)
    company.reference["chart_of_accounts"].append({**company.reference["chart_of_accounts"][0], "legal_entity": "XX99"})
    company.run(expense_reports=[report()], expenses=[expense()], expect=(0,))


def test_parquet_that_is_broken_inside_names_the_file(tmp_path: Path) -> None:
    write(tmp_path, reference())
    (tmp_path / "employees.csv").unlink()
    path = tmp_path / "employees.parquet"
    frame = pl.DataFrame({"employee": [f"E{number}" for number in range(5000)], "name": "N"})
    frame.write_parquet(path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[50:2000] = bytes(1950)
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"employees\.parquet: the file cannot be read"):
        read_reference(tmp_path)


def test_a_run_on_a_broken_reference_ends_with_2_and_leaves_no_ledger(tmp_path: Path) -> None:
    company = Company(tmp_path)
    company.reference["legal_entities"][0]["currency"] = "USD"
    said = company.run(expect=(2,), expense_reports=[report()], expenses=[expense()])
    assert "legal_entities FR01: payment_mode sepa goes with EUR, not with USD" in said["error"]
    assert not company.store.exists()


@pytest.mark.slow
def test_200_000_employees_are_read_in_a_second_or_two(tmp_path: Path) -> None:
    tables = reference()
    names = [f"N{number}" for number in range(200_000)]
    tables["employees"] += [{"employee": name, "name": name} for name in names]
    tables["affiliations"] += [{"employee": name, "legal_entity": "FR01", "valid_from": "2024-01-01"} for name in names]
    write(tmp_path, tables)
    began = time.process_time()
    assert read_reference(tmp_path)["employees"].height == 200_003
    assert time.process_time() - began < 4  # processor seconds of all threads
