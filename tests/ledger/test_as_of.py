"""The ledger of then: as of a run, on a day, and both; what is asked of a run that is not there."""

from __future__ import annotations

import json
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

from pipeline.ledger.as_of import AsOf
from pipeline.ledger.balances import balances, employee_accounts, open_items
from pipeline.ledger.dump import dump
from pipeline.ledger.reading import ledger_session, output_query
from pipeline.ledger.status import status
from pipeline.ledger.store import Store
from schemas import LEDGER
from tests.conformance.test_engine import CASES
from tests.support import Company, advance, expense, order, report
from tests.tidy.tree import ROOT

JANUARY, FEBRUARY = date(2026, 1, 31), date(2026, 2, 28)


def then(ledger: Company, run: int | None = None, on: date | None = None) -> dict[str, pl.DataFrame]:
    """Reads the tables of then."""
    with ledger_session(Store.open(ledger.store), as_of=AsOf(run, on)) as session:
        return {table: session.query(output_query(session, table)) for table in LEDGER}


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def told(ledger: Company, *options: str) -> dict[str, Any]:
    result = ledger.invoke("balances", "--json", *options)
    assert result.exit_code == 0, result.output
    said: dict[str, Any] = json.loads(result.stdout)
    return said


# ------------------------------------------------------------------------------------------------------- as of a run

SEVERAL = [path.name for path in sorted(CASES.iterdir()) if len(list(path.glob("batch-*"))) > 1]


@pytest.mark.slow
@pytest.mark.parametrize("case", SEVERAL)
def test_as_of_a_run_every_byte_is_that_of_the_dump_after_it(case: str, tmp_path: Path) -> None:
    company = Company(tmp_path)
    last = len(list((CASES / case).glob("batch-*")))
    for number in range(1, last + 1):
        places = ("--reference", CASES / case / "reference", "--batch", CASES / case / f"batch-{number}")
        assert company.invoke("run", *map(str, places), "--on", "2026-03-01").exit_code == 0
        dump(Store.open(company.store), tmp_path / f"after-{number}")
    for number in range(1, last + 1):
        result = company.invoke("dump", "--as-of", str(number), "--out", str(tmp_path / f"as-of-{number}"))
        assert result.exit_code == 0, result.output
        assert contents(tmp_path / f"as-of-{number}") == contents(tmp_path / f"after-{number}"), number


def test_findings_open_and_resolved_are_those_of_the_run(tmp_path: Path) -> None:
    company = Company(tmp_path)
    company.run(expense_reports=[report(employee="E9")], expenses=[expense()])
    first = then(company)["quarantine"]
    assert first.select("document", "last_run", "resolved_run").rows() == [("R1", 1, None)]
    company.reference["employees"].append({"employee": "E9", "name": "Di", "auxiliary": "DI"})
    company.reference["affiliations"].append({"employee": "E9", "legal_entity": "FR01", "valid_from": "2024-01-01"})
    company.run()
    second = then(company)["quarantine"]
    assert second.select("document", "last_run", "resolved_run").rows() == [("R1", 1, 2)]
    assert status(Store.open(company.store)).quarantine == [], "what was open after the run before is not open now"
    assert len(status(Store.open(company.store), as_of=AsOf(run=1)).quarantine) == 1
    company.run(expense_reports=[report("R2", employee="E8")], expenses=[expense("R2")])
    assert then(company)["quarantine"]["document"].to_list() == ["R1", "R2"]
    assert then(company, run=1)["quarantine"].equals(first)
    assert then(company, run=2)["quarantine"].equals(second)
    company.check()


def test_a_store_whose_findings_were_replaced_by_each_run_is_read_as_before(ledger: Company) -> None:
    now = then(ledger)
    store = Store.open(ledger.store)
    with store.writing() as writer:
        rows = pl.concat([pl.read_parquet(path) for path in store.files("findings")])
        writer.replace("findings")
        writer.write("findings", rows.filter(run=3), runs=(3, 3))
        writer.commit(None, {})
    assert {name: frame.equals(now[name]) for name, frame in then(ledger, run=3).items()} == dict.fromkeys(now, True)
    ledger.run()
    assert then(ledger, run=4)["quarantine"].height == now["quarantine"].height


def test_an_axis_that_came_later_is_no_column(tmp_path: Path) -> None:
    company = Company(tmp_path)
    company.run(expense_reports=[report()], expenses=[expense()])
    company.run(
        expense_reports=[report("R2")],
        expenses=[expense("R2")],
        allocations=[
            {"report": "R2", "version": "1", "expense": "X1", "split": "1", "percent": "100"}
            | {"axis": "client", "section": "C1"}
        ],
    )
    assert "axis_client" in then(company)["entry_lines"].columns
    assert "axis_client" not in then(company, run=1)["entry_lines"].columns


@pytest.mark.parametrize(("command", "run"), [("dump", "0"), ("status", "-1"), ("balances", "4"), ("dump", "4")])
def test_a_run_that_is_not_there_is_wrong_usage(command: str, run: str, ledger: Company) -> None:
    options = ("--out", str(ledger.directory / "nothing")) if command == "dump" else ()
    result = ledger.invoke(command, *options, "--as-of", run)
    assert result.exit_code == 2
    assert f"the ledger has no run {run}\n  it has runs 1 to 3" in result.stderr
    assert not (ledger.directory / "nothing").exists()


def test_a_day_that_is_none_is_wrong_usage(ledger: Company) -> None:
    result = ledger.invoke("balances", "--as-of-date", "2026-02-30")
    assert result.exit_code == 2
    assert "is no day" in result.stderr


# ------------------------------------------------------------------------------------------------------------ on a day


def test_a_lettering_is_in_force_from_its_order_to_what_dissolves_it(ledger: Company) -> None:
    def lettered(on: date) -> set[str | None]:
        lines = then(ledger, on=on)["entry_lines"].filter(role="employee", employee="E1")
        return set(lines["lettering"])

    assert lettered(date(2026, 1, 30)) == {None}
    assert lettered(JANUARY) == lettered(date(2026, 2, 1)) == {"AAA"}
    assert lettered(date(2026, 2, 2)) == {None}, "delettered on the day of the change"


def test_what_dissolves_a_lettering_later_is_not_told(ledger: Company) -> None:
    columns = ("employee", "lettering", "delettered_on", "delettered_run")
    january, february = (then(ledger, on=day)["letterings"].select(columns).rows() for day in (JANUARY, FEBRUARY))
    assert january == [("E1", "AAA", None, None), ("E2", "AAA", None, None)]
    assert february[0] == ("E1", "AAA", date(2026, 2, 2), 2)


def test_both_axes_together_are_what_was_known_then_of_that_day(ledger: Company) -> None:
    later = date(2026, 2, 2)
    assert then(ledger, run=1, on=later)["letterings"]["delettered_on"].to_list() == [None, None]
    assert then(ledger, run=2, on=later)["letterings"]["delettered_on"].to_list() == [later, None]


def test_a_payment_is_paid_until_its_contra_entry(ledger: Company) -> None:
    def payments(on: date) -> list[tuple[str, str]]:
        return then(ledger, on=on)["payments"].filter(payment_order="PO1").select("employee", "status").rows()

    assert payments(date(2026, 1, 30)) == []
    assert payments(date(2026, 2, 9)) == [("E1", "paid"), ("E2", "paid")]
    assert payments(date(2026, 2, 10)) == [("E1", "paid"), ("E2", "returned")]


def test_a_payment_returned_in_the_run_that_made_it_was_paid_in_between(tmp_path: Path) -> None:
    company = Company(tmp_path)
    company.run(
        expense_reports=[report()],
        expenses=[expense()],
        payment_orders=[order()],
        payment_returns=[{"payment_order": "PO1", "employee": "E1", "returned_on": "2026-02-10", "reason": "closed"}],
    )
    assert then(company, on=JANUARY)["payments"]["status"].to_list() == ["paid"]
    assert then(company, on=FEBRUARY)["payments"]["status"].to_list() == ["returned"]


def test_a_lettering_is_there_when_its_last_line_is(tmp_path: Path) -> None:
    company = Company(tmp_path)
    company.run(expense_reports=[report()], expenses=[expense()])
    company.reference["legal_entities"][0]["closed_through"] = "2026-02-15"
    company.run(payment_orders=[order()])
    lettered_on = company.table("letterings")["lettered_on"].to_list()
    assert lettered_on == [JANUARY]
    assert then(company, on=date(2026, 2, 15))["letterings"].is_empty()
    assert then(company, on=date(2026, 2, 16))["letterings"]["lettered_on"].to_list() == lettered_on


def test_an_imputation_before_its_grant_leaves_the_account_below_zero_in_between(tmp_path: Path) -> None:
    company = Company(tmp_path)
    company.run(advances=[advance(occurred_on="2026-01-20")])
    company.run(expense_reports=[report(declared_on="2026-01-10")], expenses=[expense(incurred_on="2026-01-09")])
    dump(Store.open(company.store), tmp_path / "then", as_of=AsOf(on=date(2026, 1, 10)))
    assert then(company, on=date(2026, 1, 10))["employee_accounts"]["advance_one_time"].to_list() == [Decimal(-50)]
    assert then(company)["employee_accounts"]["advance_one_time"].to_list() == [Decimal(0)]


def test_documents_quarantine_and_runs_have_no_day(ledger: Company) -> None:
    now, before = then(ledger), then(ledger, on=date(2020, 1, 1))
    for table in ("documents", "quarantine", "runs", "run_times"):
        assert before[table].equals(now[table]), table
    for table in ("entry_lines", "letterings", "lettering_lines", "balances", "employee_accounts", "payments"):
        assert before[table].is_empty(), table
        assert before[table].drop(pl.selectors.starts_with("axis_"), strict=False).columns == [
            name for name in now[table].columns if not name.startswith("axis_")
        ]


def test_on_the_last_day_the_books_are_those_of_now(ledger: Company) -> None:
    now, last = then(ledger), then(ledger, on=date(2099, 12, 31))
    assert [table for table in now if not now[table].equals(last[table])] == []


# ------------------------------------------------------------------------------------------------- status and balances


def test_status_tells_which_ledger_it_is_of(ledger: Company) -> None:
    assert "As of run 3\n" in ledger.invoke("status").stdout
    said = json.loads(ledger.invoke("status", "--json", "--as-of", "2", "--as-of-date", "2026-01-31").stdout)
    assert (said["as_of_run"], said["as_of_date"]) == (2, "2026-01-31")
    assert [row["run"] for row in said["runs"]] == [2, 1]
    assert [row["payments"] for row in said["payments"]] == [2]
    lines = then(ledger, run=2, on=JANUARY)["entry_lines"]
    entries = lines.select("legal_entity", "journal_code", "fiscal_year", "entry_number").unique().height
    assert sum(row["entries"] for row in said["series"]) == entries
    assert {row["debit"] for row in said["balances"]} == {str(lines["debit"].sum())}


@pytest.mark.parametrize(("run", "on"), [(1, None), (2, None), (3, None), (2, JANUARY), (3, date(2026, 2, 9))])
def test_balances_are_the_tables_of_a_dump_and_open_items_add_up_to_them(
    run: int, on: date | None, ledger: Company
) -> None:
    tables = then(ledger, run=run, on=on)
    store, as_of = Store.open(ledger.store), AsOf(run, on)
    assert balances(store, as_of=as_of).tables["balances"].equals(tables["balances"])
    accounts = employee_accounts(store, as_of=as_of).tables["employee_accounts"]
    assert accounts.equals(tables["employee_accounts"])
    made = open_items(store, as_of=as_of).tables
    lines = tables["entry_lines"].filter(pl.col("lettering").is_null(), role="employee")
    keys = ["legal_entity", "journal_code", "fiscal_year", "entry_number", "line_number"]
    assert made["open_items"].select(keys).sort(keys).equals(lines.select(keys).sort(keys))
    owed = {row["employee"]: -row["third_party"] for row in accounts.to_dicts() if row["third_party"]}
    assert {row["employee"]: row["owed"] for row in made["open_balances"].to_dicts() if row["owed"]} == owed


def test_balances_for_machines_are_exact_text(ledger: Company) -> None:
    said = told(ledger, "--as-of", "1")
    assert (said["as_of_run"], said["as_of_date"]) == (1, None)
    assert said["balances"][0] == {
        "legal_entity": "FR01",
        "account": "421000",
        "auxiliary": "MOREAU",
        "debit": "100.0000",
        "credit": "100.0000",
        "balance": "0.0000",
    }
    assert {row["employee"] for row in told(ledger, "--employees")["employee_accounts"]} == {"E1", "E2"}
    opened = told(ledger, "--open", "--as-of", "2")
    assert [(row["employee"], row["items"], row["owed"]) for row in opened["open_balances"]] == [("E1", 7, "-10.0000")]
    assert sum(Decimal(row["owed"]) for row in opened["open_items"]) == -10


def test_a_person_reads_columns_with_equal_decimals(tmp_path: Path) -> None:
    company = Company(tmp_path)
    company.run(
        expense_reports=[report(), report("R2", employee="E3")],
        expenses=[expense(), expense("R2", currency="TND", gross="12345.678")],
    )
    shown = company.invoke("balances", "--employees").stdout.splitlines()
    assert shown == [
        "As of run 1",
        "",
        "Employee accounts",
        "legal entity  employee  third party  advance one time  advance regular",
        "FR01          E1           -100.000             0.000            0.000",
        "TN01          E3         -12345.678             0.000            0.000",
    ]
    assert company.invoke("balances", "--open", "--entity", "FR01").stdout.splitlines()[2:5] == [
        "Open items",
        "employee  document  entry            line number  entry date  account  auxiliary    owed",
        "E1        R1        FR01/NDF/2026/1            1  2026-01-12  421000   MOREAU     100.00",
    ]


def test_of_one_legal_entity_alone(ledger: Company) -> None:
    assert told(ledger, "--entity", "FR01")["balances"] == told(ledger)["balances"]
    assert told(ledger, "--entity", "BE01")["balances"] == []
    assert told(ledger, "--entity", "BE01", "--open")["open_items"] == []
    assert "Balances: none" in ledger.invoke("balances", "--entity", "BE01").stdout
    result = ledger.invoke("balances", "--entity", "FR99")
    assert result.exit_code == 2
    assert "it knows BE01, FR01, TN01, XP01" in result.stderr


def test_employees_and_open_items_are_two_questions(ledger: Company) -> None:
    assert ledger.invoke("balances", "--employees", "--open").exit_code == 2


def test_without_a_day_no_entry_line_is_read(ledger: Company) -> None:
    """The lines' segments keep their ends, by which tables are named, and lose what they hold."""
    for path in ledger.store.glob("kind=entry_lines/*.parquet"):
        size, footer = path.stat().st_size, int.from_bytes(path.read_bytes()[-8:-4], "little") + 8
        assert pq.read_metadata(path).num_rows > 0
        path.write_bytes(b"PAR1" + bytes(size - footer - 4) + path.read_bytes()[-footer:])
    store = Store.open(ledger.store)
    for as_of in (AsOf(), AsOf(run=1)):
        for look in (balances, employee_accounts, open_items, status):
            look(store, as_of=as_of)
    assert ledger.invoke("balances", "--as-of-date", "2026-01-31").exit_code == 1


# ------------------------------------------------------------------------------------------------------------ the page

PAGE = (ROOT / "docs" / "time-travel.md").read_text(encoding="utf-8")


def test_the_examples_of_the_page_are_what_the_commands_print(small_ledger: Company) -> None:
    blocks = re.findall(r"^```\n(\$ .*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    examples = [example for block in blocks for example in re.split(r"^\$ lettrage ", block, flags=re.MULTILINE)[1:]]
    assert len(examples) == 3
    for example in examples:
        command, _, printed = example.partition("\n")
        result = small_ledger.invoke(*command.replace(" --store books", "").split())
        assert result.stdout.strip() == printed.strip(), command


def test_the_sql_of_the_page_tells_the_same_from_a_dump(
    small_ledger: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump(Store.open(small_ledger.store), tmp_path / "tables")
    monkeypatch.chdir(tmp_path)
    [query] = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    found = duckdb.sql(query).pl()
    made = open_items(Store.open(small_ledger.store), as_of=AsOf(2, date(2026, 2, 2))).tables["open_items"]
    assert found.height > 0
    assert found["owed"].to_list() == made["owed"].to_list()
    assert found.drop("owed").equals(made.select(found.drop("owed").columns))
