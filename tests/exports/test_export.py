"""What goes out: new entries by profile, period, approval, journals left out; what is recorded, repeated, cancelled."""

from __future__ import annotations

import csv
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.errors import ExportError
from pipeline.exports import export as exporting
from pipeline.exports.write import Sink
from pipeline.ledger import chain, log
from pipeline.ledger.reading import ledger_session
from pipeline.ledger.store import Store, Writer
from pipeline.run import write_export_order
from pipeline.sql import Session
from tests.exports.exporting import control_sheets, exported, profile, written
from tests.support import Company, advance, expense, order, reference, report

FR = ("--format", "csv", "--entity", "FR01")


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(content.decode().splitlines()))


def documents(company: Company, out: str = "out") -> list[str]:
    """Lists the documents in a folder of exports, one for each of their entries."""
    lines = [row for content in written(company, out).values() for row in rows(content) if row["line_number"] == "1"]
    return [line["document"] for line in lines]


def approving(**entity: str) -> dict[str, Any]:
    tables = reference()
    tables["legal_entities"][0] |= {"approval": "required", **entity}
    return tables


# ------------------------------------------------------------------------------------------------------ what is new


def test_an_entry_goes_out_once_by_profile(company: Company) -> None:
    company.run(expense_reports=[report()], expenses=[expense()])
    exported(company, *FR)
    company.run(expense_reports=[report("R2")], expenses=[expense("R2")])
    said = exported(company, *FR, out="second")
    assert (said["number"], said["entries"], said["lines"]) == (2, 1, 2)
    assert documents(company, "second") == ["R2"]
    other = exported(company, "--format", "fixed", "--entity", "FR01", out="other")
    assert other["entries"] == 2


def test_an_export_of_one_entity_takes_nothing_of_another(company: Company) -> None:
    company.run(
        expense_reports=[report(), report("R2", employee="E3")],
        expenses=[expense(), expense("R2", currency="TND", gross="1.000")],
    )
    exported(company, *FR)
    exported(company, "--format", "csv", "--entity", "TN01", out="tn")
    assert (documents(company), documents(company, "tn")) == (["R1"], ["R2"])
    ((line, _),) = [rows(content) for content in written(company, "tn").values()]
    assert line["credit"] == "1.000"


def test_the_period_is_of_posting_dates_both_days_in_it(company: Company) -> None:
    days = ["2026-01-31", "2026-02-01", "2026-02-28", "2026-03-01"]
    company.run(
        expense_reports=[report(f"R{day}", declared_on=day) for day in days],
        expenses=[expense(f"R{day}") for day in days],
    )
    exported(company, *FR, "--from", "2026-02-01", "--through", "2026-02-28")
    assert documents(company) == ["R2026-02-01", "R2026-02-28"]
    exported(company, *FR, "--through", "2026-02-28", out="before")
    assert documents(company, "before") == ["R2026-01-31"]
    exported(company, *FR, "--from", "2026-02-28", out="after")
    assert documents(company, "after") == ["R2026-03-01"]


def test_a_period_that_ends_before_it_begins_is_refused(company: Company) -> None:
    company.run(expense_reports=[report()], expenses=[expense()])
    said = exported(company, *FR, "--from", "2026-02-01", "--through", "2026-01-01", expect=2)
    assert "before it begins" in said["error"]


def test_an_empty_export_records_and_writes_nothing(company: Company) -> None:
    company.run(expense_reports=[report()], expenses=[expense()])
    said = exported(company, *FR, "--from", "2027-01-01")
    assert (said["number"], said["entries"], said["files"]) == (None, 0, [])
    assert written(company) == {}
    assert json.loads(company.invoke("exports", "--json").stdout) == []


def test_an_unknown_entity_is_refused_by_name(company: Company) -> None:
    company.run(expense_reports=[report()], expenses=[expense()])
    said = exported(company, "--format", "csv", "--entity", "XX", expect=2)
    assert "XX" in said["error"]
    assert "FR01" in said["error"]


# ------------------------------------------------------------------------------------------------------- approval


def test_declared_reports_stay_where_approval_is_required(tmp_path: Path) -> None:
    company = Company(tmp_path, approving())
    company.run(
        expense_reports=[report(), report("R2", status="approved")],
        expenses=[expense(), expense("R2")],
        advances=[advance("A1", amount="30.00")],
    )
    said = exported(company, *FR)
    assert set(documents(company)) == {"R2", "A1"}
    held = {(row["journal"], row["account"]) for row in said["left_out"] if row["fate"] == "held_back"}
    assert {journal for journal, _ in held} == {"expense_report", "advance_imputation"}
    company.run(expense_reports=[report(version="2", status="approved")], expenses=[expense(version="2")])
    exported(company, *FR, out="approved")
    assert documents(company, "approved") == ["R1", "R1"]  # and its imputation


def test_imputations_of_a_declared_report_stay_with_it(tmp_path: Path) -> None:
    company = Company(tmp_path, approving())
    company.run(advances=[advance()])
    company.run(expense_reports=[report()], expenses=[expense()])
    imputed = company.table("entry_lines").filter(journal="advance_imputation")
    assert imputed["document"].unique().to_list() == ["R1"]
    exported(company, *FR)
    assert documents(company) == ["A1"]


def test_contra_entries_of_what_was_exported_always_go_out(tmp_path: Path) -> None:
    company = Company(tmp_path, approving())
    company.run(expense_reports=[report(status="approved")], expenses=[expense()])
    exported(company, *FR)
    company.run(expense_reports=[report(version="2")], expenses=[expense(version="2", gross="120.00")])
    exported(company, *FR, out="second")
    ((first, second),) = [rows(content) for content in written(company, "second").values()]
    assert (first["reversal"], second["reversal"], first["debit"]) == ("true", "true", "100.00")
    company.run(
        expense_reports=[report(version="3", status="approved")], expenses=[expense(version="3", gross="120.00")]
    )
    exported(company, *FR, out="third")
    assert documents(company, "third") == ["R1"]


def test_a_contra_entry_stays_with_its_entry_where_neither_went_out(tmp_path: Path) -> None:
    company = Company(tmp_path, approving())
    company.run(expense_reports=[report()], expenses=[expense()])
    company.run(expense_reports=[report(version="2")], expenses=[expense(version="2", gross="120.00")])
    assert exported(company, *FR)["entries"] == 0


def test_a_cancelled_report_goes_out_whole(tmp_path: Path) -> None:
    company = Company(tmp_path, approving())
    company.run(expense_reports=[report()], expenses=[expense()])
    company.run(expense_reports=[report(version="2", status="cancelled")])
    assert exported(company, *FR)["entries"] == 2


# ----------------------------------------------------------------------------------------------- journals, filters


def paying(company: Company) -> None:
    company.run(
        expense_reports=[report(), report("R2", employee="E2")],
        expenses=[expense(), expense("R2", legal_entity="FR01")],
        advances=[advance()],
        payment_orders=[order()],
    )


def test_what_a_profile_leaves_out_is_on_the_control_sheet_by_account(company: Company) -> None:
    paying(company)
    path = profile(company, 'format = "csv"\njournals = ["expense_report", "advance", "advance_imputation"]\n')
    said = exported(company, "--profile", str(path), "--entity", "FR01")
    left = [(row["fate"], row["journal"], row["account"], row["debit"], row["credit"]) for row in said["left_out"]]
    (sheet,) = control_sheets(company)
    shown = [row for row in csv.reader(sheet.splitlines()) if row[0] == "left out"]
    assert [(row[1], row[2]) for row in shown] == [("payment", "421000"), ("payment", "512000")]
    assert [row[:3] for row in left] == [("left_out", row[1], row[2]) for row in shown]
    lines = company.table("entry_lines").filter(pl.col("legal_entity") == "FR01")
    exported_lines = [row for content in written(company).values() for row in rows(content)]
    assert len(exported_lines) + sum(int(row[5]) for row in shown) == len(lines)
    assert "payment" not in {row["journal"] for row in exported_lines}


def test_a_control_sheet_tells_totals_files_and_the_export(company: Company) -> None:
    paying(company)
    said = exported(company, *FR, "--from", "2026-01-01", "--through", "2026-12-31")
    (sheet,) = control_sheets(company)
    sections = list(csv.DictReader(sheet.splitlines()))
    total = next(row for row in sections if row["section"] == "total")
    assert (int(total["entries"]), int(total["lines"])) == (said["entries"], said["lines"])
    assert total["debit"] == total["credit"]
    journals = {row["journal"]: row for row in sections if row["section"] == "exported"}
    assert sum(int(row["entries"]) for row in journals.values()) == said["entries"]
    (file,) = [row for row in sections if row["section"] == "file"]
    assert (file["journal"], file["last"]) == (said["files"][0]["name"], said["files"][0]["sha256"])
    (export,) = [row for row in sections if row["section"] == "export"]
    assert (export["journal"], export["account"], export["entries"]) == ("csv", "FR01", "1")


def test_imputations_cannot_be_left_out_where_they_move_an_account(company: Company) -> None:
    paying(company)
    text = 'format = "csv"\njournals = ["expense_report", "payment", "advance"]\n'
    said = exported(company, "--profile", str(profile(company, text)), "--entity", "FR01", expect=1)
    assert "imputation" in said["error"]
    assert "leave_open" in said["error"]
    assert written(company) == {}
    assert json.loads(company.invoke("exports", "--json").stdout) == []
    open_path = profile(company, f"{text}leave_open = true\n", "open")
    said = exported(company, "--profile", str(open_path), "--entity", "FR01")
    assert said["entries"] == 5


def test_imputations_on_one_account_may_be_left_out(tmp_path: Path) -> None:
    tables = reference()
    for row in tables["chart_of_accounts"]:
        if row["role"] == "advance_one_time":
            row |= {"account": "421000", "auxiliary": "{auxiliary}"}
    company = Company(tmp_path, tables)
    company.run(expense_reports=[report()], expenses=[expense()], advances=[advance()])
    assert len(company.table("entry_lines").filter(journal="advance_imputation")) == 2
    path = profile(company, 'format = "csv"\njournals = ["expense_report", "advance"]\n')
    assert exported(company, "--profile", str(path), "--entity", "FR01")["entries"] == 2


def test_filters_choose_employees_and_kinds_of_documents(company: Company) -> None:
    paying(company)
    text = 'format = "csv"\nleave_open = true\n[filters]\nemployees = ["E2"]\n'
    exported(company, "--profile", str(profile(company, text)), "--entity", "FR01")
    assert set(documents(company)) == {"R2", "PO1"}
    text = 'format = "csv"\n[filters]\ndocument_kinds = ["advance"]\n'
    exported(company, "--profile", str(profile(company, text, "advances")), "--entity", "FR01", out="advances")
    assert documents(company, "advances") == ["A1"]


def test_a_profile_labels_lines_by_journal(company: Company) -> None:
    paying(company)
    text = """
        format = "csv"
        entity = "FR01"
        [labels]
        expense_report = "'NDF ' & document & ' ' & upper(employee_name)"
    """
    exported(company, "--profile", str(profile(company, text)))
    labels = {(row["document"], row["label"]) for content in written(company).values() for row in rows(content)}
    assert ("R1", "NDF R1 ADA MOREAU") in labels
    assert ("PO1", "PO1 Ada Moreau") in labels


def test_amounts_below_zero_stay_in_the_red_where_the_profile_says_so(company: Company) -> None:
    company.run(expense_reports=[report()], expenses=[expense(gross="-10.00")])
    path = profile(company, 'format = "csv"\nentity = "FR01"\nnominal_side = true\n')
    exported(company, "--profile", str(path))
    ((employee, charge),) = [rows(content) for content in written(company).values()]
    assert (employee["debit"], employee["credit"]) == ("0.00", "-10.00")
    assert (charge["debit"], charge["credit"]) == ("-10.00", "0.00")
    refused = profile(company, 'format = "fixed"\nentity = "FR01"\nnominal_side = true\n', "fixed_red")
    assert "nominal_side" in exported(company, "--profile", str(refused), expect=2)["error"]


# ------------------------------------------------------------------------------------ recorded, repeated, cancelled


def test_a_preview_records_and_writes_nothing(company: Company) -> None:
    paying(company)
    before = Store.open(company.store).version
    result = company.invoke("export", *FR, "--preview", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["number"] is None
    assert said["entries"] > 0
    assert sum(float(row["balance"]) for row in said["balances"]) == 0
    assert Store.open(company.store).version == before
    assert exported(company, *FR)["entries"] == said["entries"]


def test_a_preview_shows_the_lines_of_an_account(company: Company) -> None:
    paying(company)
    result = company.invoke("export", *FR, "--preview", "--account", "421000", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    (balance,) = {
        row["account"]: Decimal(row["balance"]) for row in said["balances"] if row["account"] == "421000"
    }.values()
    assert sum(Decimal(row["debit"]) - Decimal(row["credit"]) for row in said["drill"]) == balance
    assert {row["account"] for row in said["drill"]} == {"421000"}
    shown = company.invoke("export", *FR, "--preview", "--account", "421000")
    row = said["drill"][0]
    assert (
        f"{row['journal_code']} {row['fiscal_year']} {row['entry_number']}, line {row['line_number']}" in shown.output
    )
    assert company.invoke("export", *FR, "--out", "x", "--account", "421000").exit_code == 2


FORMATS = [
    "csv",
    "fec",
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("fixed", "xlsx", "fec_import", "sage_100_pnm")),
]


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_made_again_after_later_runs_gives_the_same_bytes(company: Company, name: str) -> None:
    paying(company)
    said = exported(company, "--format", name, "--entity", "FR01", on="2026-03-02")
    company.reference["employees"][0] |= {"name": "Ada Neu", "auxiliary": "NEU"}
    company.reference["chart_of_accounts"] = [
        {**row, "label": "Changed"} for row in company.reference["chart_of_accounts"]
    ]
    company.reference["legal_entities"][0] |= {"name": "Omega", "closed_through": "2026-02-28"}
    company.reference["journals"][0]["label"] = "Changed"
    company.run(
        expense_reports=[report(version="2"), report("R9")],
        expenses=[expense(version="2", gross="7.00"), expense("R9")],
        payment_returns=[{"payment_order": "PO1", "employee": "E2", "returned_on": "2026-02-03", "reason": ""}],
    )
    exported(company, "--format", name, "--entity", "FR01", out="later")
    again = exported(company, "--again", str(said["number"]), out="again", on="2027-01-01")
    assert [file["sha256"] for file in again["files"]] == [file["sha256"] for file in said["files"]]
    assert written(company, "again") == written(company)
    assert control_sheets(company, "again") == control_sheets(company)


def test_a_cancelled_export_frees_its_entries_and_is_not_made_again(company: Company) -> None:
    paying(company)
    first = exported(company, *FR)
    assert company.invoke("export", "--cancel", "1").exit_code == 0
    assert company.invoke("export", "--cancel", "1").exit_code == 2
    said = exported(company, "--again", "1", out="again", expect=2)
    assert "cancelled" in said["error"]
    second = exported(company, *FR, out="second")
    assert (second["number"], second["entries"]) == (2, first["entries"])
    listed = json.loads(company.invoke("exports", "--json").stdout)
    assert [(row["export_number"], row["export_status"]) for row in listed] == [(1, "cancelled"), (2, "recorded")]


def test_an_export_that_never_was_is_neither_repeated_nor_cancelled(company: Company) -> None:
    paying(company)
    assert "no export 7" in exported(company, "--again", "7", expect=2)["error"]
    result = company.invoke("export", "--cancel", "7")
    assert (result.exit_code, "no export 7" in result.stderr) == (2, True)


def test_a_cancelled_export_is_told_to_machines_and_cancelled_once(company: Company) -> None:
    paying(company)
    exported(company, *FR)
    result = company.invoke("export", "--cancel", "1", "--json")
    assert json.loads(result.stdout) == {"export_number": 1, "export_status": "cancelled"}
    refused = company.invoke("export", "--cancel", "1", "--json")
    assert (refused.exit_code, "the next export of its profile takes them" in refused.stderr) == (2, True)


def test_files_that_cannot_be_put_into_place_are_told_as_recorded_and_made_again(company: Company) -> None:
    paying(company)
    preview = json.loads(company.invoke("export", *FR, "--preview", "--json", "--on", "2026-04-02").stdout)
    name = preview["files"][0]["name"]
    # A folder has the name of the file: writing goes well, and naming fails.
    (company.directory / "out" / name).mkdir(parents=True)
    said = exported(company, *FR, expect=1)
    assert "export 1 is recorded, its files could not be written (" in said["error"]
    assert f"lettrage export --again 1 --out {company.directory / 'out'}" in said["error"]
    assert [path.name for path in (company.directory / "out").iterdir()] == [name]
    (company.directory / "out" / name).rmdir()
    again = exported(company, "--again", "1")
    assert [file["sha256"] for file in again["files"]] == [file["sha256"] for file in preview["files"]]


def test_where_nothing_goes_out_what_is_said_is_true_and_what_stays_is_told(tmp_path: Path) -> None:
    company = Company(tmp_path, approving())
    asked = ("export", *FR, "--out", str(tmp_path / "out"))
    company.run(expense_reports=[report()], expenses=[expense()])
    said = " ".join(company.invoke(*asked).stdout.split())
    assert "none that profile csv takes and has not taken already" in said
    assert "held back: journal expense_report" in said


def test_an_export_of_all_entries_is_recorded_and_repeats(company: Company) -> None:
    paying(company)
    path = profile(company, 'format = "csv"\nentries = "all"\nentity = "FR01"\n')
    first = exported(company, "--profile", str(path))
    company.run(expense_reports=[report("R5")], expenses=[expense("R5")])
    second = exported(company, "--profile", str(path), out="second")
    assert second["entries"] == first["entries"] + 1
    for number, out in ((1, "out"), (2, "second")):
        exported(company, "--again", str(number), out=f"again-{number}")
        assert written(company, f"again-{number}") == written(company, out)


def test_where_a_run_comes_in_between_nothing_is_recorded_or_written(company: Company) -> None:
    company.run(expense_reports=[report()], expenses=[expense()])
    stale = Store.open(company.store)
    company.run(expense_reports=[report("R2")], expenses=[expense("R2")])
    out = company.directory / "out"
    asked = {"entity": "FR01", "first": None, "last": None, "on": date(2026, 4, 2), "out": out}
    with pytest.raises(ExportError, match="came in between"):
        exporting.export(stale, profile=exporting.Profile(name="csv", format="csv"), **asked)  # type: ignore[arg-type]  # a test's keywords
    assert list(out.iterdir()) == []


# ------------------------------------------------------------------------------------------------------- at_export

XP = ("--entity", "XP01")


def owing(company: Company, **cells: str) -> None:
    company.run(expense_reports=[report(**cells)], expenses=[expense(legal_entity="XP01")])


def intact(company: Company) -> None:
    """Holds the ledger to its invariants and its chain."""
    result = company.invoke("check", "--chain")
    assert result.exit_code == 0, result.output


def test_an_export_pays_first_where_payments_are_made_by_exports(company: Company) -> None:
    owing(company)
    said = exported(company, "--format", "csv", *XP, "--from", "2026-01-01", "--through", "2026-01-31")
    assert documents(company) == ["R1", "export-1"]
    paid = company.table("payments").row(0, named=True)
    assert (paid["payment_order"], paid["employee"], paid["status"]) == ("export-1", "E1", "paid")
    payment = company.table("entry_lines").filter(document="export-1")
    assert payment["entry_date"].unique().to_list() == [date(2026, 1, 31)]
    assert said["number"] == 1
    lettered = rows(next(iter(written(company).values())))
    assert {row["lettering"] for row in lettered if row["role"] == "employee"} == {"AAA"}
    company.check()


def test_an_export_pays_even_where_payment_lines_are_left_out(company: Company) -> None:
    owing(company)
    path = profile(company, 'format = "csv"\njournals = ["expense_report"]\n')
    said = exported(company, "--profile", str(path), *XP, "--through", "2026-01-31")
    assert documents(company) == ["R1"]
    assert company.table("payments")["payment_order"].to_list() == ["export-1"]
    assert {row["account"] for row in said["left_out"]} == {"421000", "512000"}


def test_a_preview_makes_no_order(company: Company) -> None:
    owing(company)
    assert company.invoke("export", "--format", "csv", *XP, "--preview").exit_code == 0
    assert company.table("payments").is_empty()


def test_cancelling_an_export_leaves_its_order(company: Company) -> None:
    owing(company)
    exported(company, "--format", "csv", *XP, "--through", "2026-01-31")
    assert company.invoke("export", "--cancel", "1").exit_code == 0
    assert company.table("payments")["status"].to_list() == ["paid"]
    second = exported(company, "--format", "csv", *XP, "--through", "2026-01-31", out="second")
    assert (second["number"], second["entries"]) == (2, 2)
    assert company.table("payments")["payment_order"].to_list() == ["export-1"]


def test_an_export_that_takes_nothing_makes_no_order(company: Company) -> None:
    owing(company)
    said = exported(company, "--format", "csv", *XP, "--through", "2025-12-31")
    assert said["number"] is None
    assert company.table("documents").filter(document_kind="payment_order").is_empty()


def test_an_export_that_is_refused_makes_no_order(company: Company) -> None:
    owing(company, label="x" * 300)
    text = Path("pipeline/exports/formats/fixed.toml")
    strict = (Path(__file__).parents[2] / text).read_text().replace('overflow = "cut"\n', "")
    path = profile(company, strict, "strict")
    before = Store.open(company.store).version
    said = exported(company, "--format", str(path), *XP, "--through", "2026-01-31", expect=1)
    assert "characters" in said["error"]
    assert Store.open(company.store).version == before
    assert written(company) == {}


def test_imputations_are_refused_before_an_order_is_made(company: Company) -> None:
    company.run(
        expense_reports=[report()],
        expenses=[expense(legal_entity="XP01")],
        advances=[advance(legal_entity="XP01")],
    )
    before = Store.open(company.store).version
    path = profile(company, 'format = "csv"\njournals = ["expense_report", "advance"]\n')
    exported(company, "--profile", str(path), *XP, "--through", "2026-01-31", expect=1)
    assert Store.open(company.store).version == before


def test_a_document_that_is_called_like_the_order_of_an_export_is_passed_over(company: Company) -> None:
    company.run(
        expense_reports=[report("export-1")], expenses=[expense("export-1", legal_entity="XP01")]
    )  # fmt: skip
    said = exported(company, "--format", "csv", *XP, "--through", "2026-01-31")
    assert said["number"] == 2
    assert company.table("payments")["payment_order"].to_list() == ["export-2"]


def test_an_order_alone_may_be_what_an_export_takes(company: Company) -> None:
    owing(company)
    path = profile(company, 'format = "csv"\njournals = ["payment"]\n')
    said = exported(company, "--profile", str(path), *XP, "--through", "2026-01-31")
    assert (said["number"], said["entries"]) == (1, 1)
    assert documents(company) == ["export-1"]


def test_an_order_that_an_older_version_left_without_its_export_is_found_made(company: Company) -> None:
    owing(company)
    last = date(2026, 1, 31)
    # Older versions committed the order by itself; this one was killed before its export was recorded.
    with chain.writing(Store.open(company.store)) as writer, Session(writer.store.place.readable_roots) as session:
        number = write_export_order(writer, order="export-1", legal_entity="XP01", created_on=last, on=last)
        chain.commit(writer, session, what="order", run=number, metadata={"lettrage.run": str(number)})
    # Nobody else takes its number: the order would seem to be of that export.
    company.run(expense_reports=[report("R2")], expenses=[expense("R2", legal_entity="FR01")])
    preview = company.invoke("export", *FR, "--preview", "--json")
    assert json.loads(preview.stdout)["files"][0]["name"].endswith("_2.csv")
    run = Store.open(company.store).run
    said = exported(company, "--format", "csv", *XP, "--through", "2026-01-31")
    assert (said["number"], said["entries"], said["run"]) == (1, 2, run)
    assert Store.open(company.store).run == run
    assert company.table("payments")["payment_order"].to_list() == ["export-1"]
    intact(company)


def test_an_order_and_its_export_are_one_commit(company: Company) -> None:
    owing(company)
    before = Store.open(company.store)
    said = exported(company, "--format", "csv", *XP, "--through", "2026-01-31")
    after = Store.open(company.store)
    assert (said["run"], after.run) == (before.run + 1, before.run + 1)
    told = [one.info for one in log.read_commits(after.place, after.version, before.version + 1)]
    commits = [info for info in told if "lettrage.link" in info]
    assert [(info["lettrage.run"], info["lettrage.order"], info["lettrage.export"]) for info in commits] == [
        ("2", "export-1", "1")
    ]
    with ledger_session(after) as session:
        links = session.query("select link, run, what from stored_links order by link").rows()
    assert links[-1] == (2, 2, "export")
    exported(company, "--again", "1", out="again")
    assert written(company, "again") == written(company)
    assert control_sheets(company, "again") == control_sheets(company)
    told_of = company.invoke("explain", "export-1", "--json")
    assert told_of.exit_code == 0
    assert '"export_number": 1' in told_of.stdout
    intact(company)


@pytest.mark.slow
@pytest.mark.parametrize("killed", ["commit", "files", "order"])
def test_an_export_that_is_killed_leaves_neither_order_nor_files_and_is_made_again(
    company: Company, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    owing(company)
    asked = ("--format", "csv", *XP, "--through", "2026-01-31")
    before = Store.open(company.store).version

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    owner, name = {"commit": (Writer, "commit"), "files": (Sink, "close"), "order": (Writer, "pending")}[killed]
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, die)
        assert company.invoke("export", *asked, "--out", str(company.directory / "out")).exit_code != 0
    assert Store.open(company.store).version == before
    assert written(company) == {}
    assert company.table("payments").is_empty()
    assert json.loads(company.invoke("exports", "--json").stdout) == []
    said = exported(company, *asked)
    assert (said["number"], said["run"], said["entries"]) == (1, 2, 2)
    assert company.table("payments")["payment_order"].to_list() == ["export-1"]
    intact(company)


def test_an_order_that_pays_nobody_is_not_made_where_nothing_goes_out(company: Company) -> None:
    owing(company)
    # E1 has left the employees: an order would find the open line, and pay nobody.
    company.reference["employees"] = company.reference["employees"][1:]
    company.run(expense_reports=[report("R2", employee="E2")], expenses=[expense("R2")])
    path = profile(company, 'format = "csv"\njournals = ["payment"]\n')
    before = Store.open(company.store).version
    said = exported(company, "--profile", str(path), *XP, "--through", "2026-01-31")
    assert (said["number"], said["entries"], said["run"]) == (None, 0, 2)
    assert Store.open(company.store).version == before
    assert company.table("documents").filter(document_kind="payment_order").is_empty()


def test_a_run_that_comes_in_between_keeps_the_order_out_too(company: Company) -> None:
    owing(company)
    stale = Store.open(company.store)
    company.run(expense_reports=[report("R2")], expenses=[expense("R2")])
    asked = {"entity": "XP01", "first": None, "last": None, "on": date(2026, 4, 2), "out": company.directory / "out"}

    def pay(_: Writer, order: str) -> int | None:
        raise AssertionError(order)

    with pytest.raises(ExportError, match="came in between"):
        exporting.export(stale, profile=exporting.Profile(name="csv", format="csv"), pay=pay, **asked)  # type: ignore[arg-type]  # a test's keywords
    assert written(company) == {}


def test_without_a_period_an_order_is_of_the_day_of_the_export(company: Company) -> None:
    owing(company)
    exported(company, "--format", "csv", *XP, on="2026-02-03")
    (days,) = company.table("entry_lines").filter(document="export-1").select("document_date").unique().rows()
    assert days == (date(2026, 2, 3),)
    exported(company, "--again", "1", out="again")
    assert written(company, "again") == written(company)


@pytest.mark.parametrize("name", FORMATS)
def test_bytes_do_not_depend_on_how_many_lines_are_written_at_a_time(
    ledger: Company, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    said = exported(ledger, "--format", name, "--entity", "FR01")
    monkeypatch.setattr(exporting, "_BATCH", 3)
    again = exported(ledger, "--again", str(said["number"]), out="again")
    assert again["files"] == said["files"]
