"""The audit trail: which run, batch and version made each line, what took it back, what each delettering was for."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from pipeline.errors import UsageError
from pipeline.ledger.as_of import AsOf
from pipeline.ledger.reading import ledger_session
from pipeline.ledger.store import Store
from pipeline.ledger.story.explain import explain
from pipeline.ledger.story.text import as_text
from tests.support import Company, advance, expense, order, report
from tests.tidy.tree import ROOT

Row = dict[str, Any]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """Two runs and two exports; each legal entity is a case of its own, so that none has to do with another."""
    made = Company(tmp_path_factory.mktemp("explained"))
    tables = made.reference
    entities = tables["legal_entities"]
    cases = (
        "CANCEL",
        "DROP",
        "SEVERAL",
        "SAME",
        "IMPUTE",
        "TAKEN",
        "A",
        "A/B",
        "OUT",
        "ONE",
        "TWO",
        "IDS",
        "LEFT",
        "WAIT",
    )
    entities += [entities[0] | {"legal_entity": code, "payment_mode": "list"} for code in cases]
    entities[-2]["payment_mode"] = "sepa"
    tables["journals"] += [
        {"legal_entity": "A", "journal": "expense_report", "code": "B/C", "label": "One"},
        {"legal_entity": "A/B", "journal": "expense_report", "code": "C", "label": "Other"},
    ]
    tables["employees"].append(tables["employees"][0] | {"employee": "E4", "iban": "FR0020041010050500013M02606"})

    def of(entity: str, name: str, **cells: str) -> Row:
        return expense(name, legal_entity=entity, **cells)

    def pay(entity: str, name: str, **cells: str) -> Row:
        return order(name, legal_entity=entity, **cells)

    made.run(
        advances=[advance("A1", legal_entity="IMPUTE"), advance("E3", legal_entity="IDS")],
        expense_reports=[
            *(report(name) for name in ("CO", "DR", "S1", "S2", "SA", "IM", "TK", "B1", "B2", "OU", "E3")),
            report("TN", employee="E3"),
            report("1A2", employee="E2"),
            report("LO", employee="E4"),
            report("WA", employee="E7"),
            report("GO", status="cancelled"),
        ],
        expenses=[
            of("CANCEL", "CO"),
            of("DROP", "DR"),
            of("SEVERAL", "S1"),
            of("SEVERAL", "S2"),
            of("SAME", "SA"),
            of("IMPUTE", "IM", gross="30.00"),
            of("TAKEN", "TK"),
            of("A", "B1"),
            of("A/B", "B2"),
            of("OUT", "OU", label="Train\n  to Lyon"),
            of("IDS", "E3"),
            of("TN01", "TN", currency="TND", gross="1234.500"),
            of("ONE", "1A2"),
            of("TWO", "1A2", expense="X2", gross="40.00"),
            of("LEFT", "LO"),
            of("WAIT", "WA"),
        ],
        payment_orders=[
            pay("CANCEL", "PC"),
            pay("DROP", "PD"),
            pay("SEVERAL", "PS"),
            pay("SAME", "PA"),
            pay("IDS", "E3"),
            pay("TN01", "PT"),
            pay("LEFT", "PL"),
            pay("FR01", "PF", bank_account="BNP"),
        ],
    )
    tables["employees"].append(tables["employees"][0] | {"employee": "E7", "name": "Di Roux"})
    returned = {"employee": "E1", "returned_on": "2026-02-25", "reason": "closed"}
    made.run(
        on="2026-03-02",
        expense_reports=[
            report("DR", "2", status="cancelled", modified_on="2026-02-05"),
            report("S1", "2"),
            report("S2", "2", status="cancelled"),
            report("SA", "2"),
            report("IM", "2"),
            report("TK", "2", status="approved"),
        ],
        expenses=[
            of("SEVERAL", "S1", version="2", gross="70.00"),
            of("SAME", "SA", version="2", gross="130.00"),
            of("IMPUTE", "IM", version="2", gross="45.00"),
            of("TAKEN", "TK", version="2"),
        ],
        payment_orders=[
            pay("CANCEL", "PC", version="2", status="cancelled", modified_on="2026-02-05"),
            pay("SAME", "PB", created_on="2026-02-20", cutoff_on="2026-02-20"),
        ],
        payment_returns=[returned | {"payment_order": "PB"}, returned | {"payment_order": "PS", "reason": ""}],
    )
    for number in (1, 2):
        out = ("--out", str(made.directory / f"out-{number}"))
        asked = ("--format", "csv", "--entity", "OUT", "--on", "2026-03-02", *out)
        assert made.invoke("export", *asked).exit_code == 0
        if number == 1:
            assert made.invoke("export", "--cancel", "1").exit_code == 0
    made.check()
    return made


@cache
def stories(company: Company, what: str, **asked: Any) -> tuple[list[Row], str]:
    """Gives what the command prints for machines and for people, and holds the text to the JSON: it says no more."""
    told = explain(Store.open(company.store), what, **asked)
    said, facts = as_text(told), json.dumps(told.as_dict(), ensure_ascii=False)
    for word in re.findall(r"[\w…][\w/.…|-]*\d\b", said.replace(",", "")):
        assert word in facts, word
    return json.loads(facts)["stories"], said


def story(company: Company, what: str, **asked: Any) -> tuple[Row, str]:
    (told,), said = stories(company, what, **asked)
    return told, said


def events(told: Row, kind: str) -> list[Row]:
    """Lists the events of a kind with the run of each, in the order in which they are told."""
    return [{"run": run["run"], **event} for run in told["runs"] for event in run["events"] if event["event"] == kind]


def causes(told: Row) -> list[tuple[int, str, list[tuple[str, str, int]]]]:
    """Lists each delettering: its run, its code, and what it was for."""
    return [
        (
            event["run"],
            event["lettering"],
            [(cause["cause"], cause["document"], cause["version"]) for cause in event["because"]],
        )
        for event in events(told, "delettering")
    ]


# ------------------------------------------------------------------------------------------------- the whole ledger


def test_every_line_of_the_ledger_leads_to_its_run_its_batch_and_its_version(small_ledger: Company) -> None:
    store = Store.open(small_ledger.store)
    with ledger_session(store) as session:
        lines = session.query("select * from entry_lines").to_dicts()
        digests = dict(session.con.execute("select distinct run, batch_digest from runs").fetchall())
    entries = {
        (row["legal_entity"], row["journal_code"], row["fiscal_year"], row["entry_number"]): row for row in lines
    }
    assert len(entries) == 14
    for key, row in entries.items():
        name = "/".join(map(str, key))
        told = explain(store, name)
        (one,) = told.stories
        made = next(run for run in one.runs if run.run == row["run"])
        (entry,) = [event for event in made.events if event["event"] == "entry"]
        assert one.key["entry"] == entry["entry"] == name
        assert (entry["document_kind"], entry["document"]) == (row["document_kind"], row["document"])
        assert entry["version"] == row["version"]
        assert made.batch_digest == digests[row["run"]]
        own = [
            (line["line_number"], line["account"], f"{line['debit']:.2f}", f"{line['credit']:.2f}")
            for line in lines
            if (line["legal_entity"], line["journal_code"], line["fiscal_year"], line["entry_number"]) == key
        ]
        shown = [(line["line_number"], line["account"], line["debit"], line["credit"]) for line in entry["lines"]]
        assert shown == sorted(own)
        said = as_text(told)
        assert f"run {row['run']} of 2026-03-01, batch {digests[row['run']][:12]}" in said
        assert f"{row['document']} version {row['version']}" in said or row["reversal"]


def test_every_lettering_that_was_dissolved_has_a_cause(small_ledger: Company) -> None:
    told = [story(small_ledger, employee) for employee in ("E1", "E2")]
    assert [causes(one) for one, _ in told] == [
        [(2, "AAA", [("document_changed", "R1", 2), ("document_changed", "R1", 2)])],
        [(3, "AAA", [("payment_returned", "PO1", 1)])],
    ]


# ------------------------------------------------------------------------------------------------------- documents


def test_a_report_modified_after_it_was_paid(small_ledger: Company) -> None:
    told, said = story(small_ledger, "R1")
    assert told["key"] == {
        "document_kind": "expense_report",
        "document": "R1",
        "employee": "E1",
        "employee_name": "Ada Moreau",
    }
    assert [(row["legal_entity"], row["version"], row["state"]) for row in told["standing"]] == [("FR01", 2, "posted")]
    assert [(event["run"], event["entry"], event["version"], event["reverses"]) for event in events(told, "entry")] == [
        (1, "FR01/NDF/2026/1", 1, None),
        (1, "FR01/IMP/2026/1", 1, None),
        (2, "FR01/NDF/2026/3", 2, "FR01/NDF/2026/1"),
        (2, "FR01/IMP/2026/2", 2, "FR01/IMP/2026/1"),
        (2, "FR01/NDF/2026/4", 2, None),
        (2, "FR01/IMP/2026/3", 2, None),
    ]
    (payment,) = events(told, "payment")
    assert (payment["payment_order"], payment["amount"], payment["iban"]) == ("PO1", "50.00", "FR…2606")
    (lettering,) = events(told, "lettering")
    assert [(line["entry"], line["debit"], line["credit"]) for line in lettering["lines"]] == [
        ("FR01/IMP/2026/1", "50.00", "0.00"),
        ("FR01/NDF/2026/1", "0.00", "100.00"),
        ("FR01/BQ/2026/1", "50.00", "0.00"),
    ]
    assert "contra-passed in run 2 by FR01/NDF/2026/3: expense report R1 was changed by version 2" in said
    assert "lettered AAA of E1 in FR01 on 2026-01-31 by order PO1, dissolved on 2026-02-02 in run 2" in said
    # What a run did is told in the order in which it did it.
    last = [event["event"] for event in told["runs"][-1]["events"]]
    assert last == ["version", "entry", "entry", "delettering", "entry", "entry"]


def test_a_returned_payment_tells_its_reason_and_the_lettering_that_follows(small_ledger: Company) -> None:
    told, said = story(small_ledger, "R2")
    assert [
        (event["run"], event["payment_order"], event["status"], event["returned_on"], event["reason"])
        for event in events(told, "payment")
    ] == [
        (1, "PO1", "paid", None, None),
        (3, "PO1", "returned", "2026-02-10", "closed"),
        (3, "PO2", "paid", None, None),
    ]
    assert [(event["lettering"], event["delettered_run"]) for event in events(told, "lettering")] == [
        ("AAA", 3),
        ("AAB", None),
    ]
    assert "the bank returned the payment of payment order PO1 on 2026-02-10, reason: closed" in said
    assert "lettered AAB of E2 in FR01 on 2026-02-28 by order PO2, in force" in said
    assert told["open_items"] == []
    last = [event["event"] for event in told["runs"][-1]["events"]]
    assert last == ["payment", "delettering", "payment", "lettering"]


def test_an_order_tells_each_payment_and_what_became_of_it(small_ledger: Company) -> None:
    told, _ = story(small_ledger, "PO1")
    assert told["key"]["document_kind"] == "payment_order"
    assert [(event["employee"], event["status"]) for event in events(told, "payment")] == [
        ("E1", "paid"),
        ("E2", "paid"),
        ("E2", "returned"),
        ("E2", "paid"),
    ]
    assert [(run, lettering) for run, lettering, _ in causes(told)] == [(2, "AAA"), (3, "AAA")]


def test_a_cancelled_order_is_why_its_letterings_were_dissolved(company: Company) -> None:
    told, said = story(company, "CO")
    assert causes(told) == [(2, "AAA", [("order_cancelled", "PC", 2)])]
    assert [event["status"] for event in events(told, "payment")] == ["paid", "cancelled"]
    assert [item["last_lettering"] for item in told["open_items"]] == ["AAA"]
    because = "CANCEL/BQ/2026/2 contra-passed CANCEL/BQ/2026/1: payment order PC was cancelled by version 2"
    assert f"    because {because}\n" in said
    assert "payment cancelled with its order: 100.00 EUR to E1 by order PC" in said


def test_a_cancelled_report_says_that_it_was_cancelled(company: Company) -> None:
    told, said = story(company, "DROP/NDF/2026/1")
    assert causes(told) == [(2, "AAA", [("document_cancelled", "DR", 2)])]
    assert "DROP/NDF/2026/2: expense report DR was cancelled by version 2" in said


def test_everything_that_a_delettering_was_for_is_told(company: Company) -> None:
    told, said = story(company, "E1", legal_entity="SEVERAL")
    ((run, lettering, because),) = causes(told)
    assert (run, lettering) == (2, "AAA")
    assert sorted(because) == [
        ("document_cancelled", "S2", 2),
        ("document_changed", "S1", 2),
        ("payment_returned", "PS", 1),
    ]
    assert "the bank returned the payment of payment order PS on 2026-02-25, no reason given" in said


def test_a_legal_entity_that_is_none_is_named_with_those_there_are(company: Company) -> None:
    result = company.invoke("explain", "E1", "--legal-entity", "XX")
    assert result.exit_code == 2
    assert "the ledger knows no legal entity XX" in result.stderr
    assert "it knows A, A/B, " in result.stderr
    assert "FR01" in result.stderr


def test_a_contra_entry_that_was_lettered_is_not_why_its_lettering_was_dissolved(company: Company) -> None:
    told, _ = story(company, "SA")
    assert causes(told) == [
        (2, "AAA", [("document_changed", "SA", 2)]),
        (2, "AAB", [("payment_returned", "PB", 1)]),
    ]
    # Within the run: dissolved by the report, paid and lettered anew, returned by the bank.
    last = [event["event"] for event in told["runs"][-1]["events"]]
    assert last == ["version", "entry", "delettering", "entry", "payment", "lettering", "payment", "delettering"]


def test_the_imputations_of_a_modified_report_are_told_with_it(company: Company) -> None:
    told, _ = story(company, "IM")
    imputations = [event for event in events(told, "entry") if event["journal"] == "advance_imputation"]
    assert [(event["run"], event["reversal"], event["lines"][0]["debit"]) for event in imputations] == [
        (1, False, "30.00"),
        (2, True, "0.00"),
        (2, False, "45.00"),
    ]
    assert imputations[0]["reversed_by"]["entry"] == imputations[1]["entry"]
    account, said = story(company, "E1", legal_entity="IMPUTE")
    assert account["standing"] == [
        {"legal_entity": "IMPUTE", "third_party": "0.00", "advance_one_time": "5.00", "advance_regular": "0.00"}
    ]
    assert "one-time advances 5.00 debit, regular advances 0.00" in said


def test_a_version_that_says_nothing_new_is_taken_over(company: Company) -> None:
    told, said = story(company, "TK")
    assert [(event["version"], event["status"], event["posts"]) for event in events(told, "version")] == [
        (1, "declared", True),
        (2, "approved", False),
    ]
    assert "version 2 of expense report TK for TAKEN: approved, taken over, nothing new to post" in said


def test_a_document_cancelled_before_anything_was_posted_says_so(company: Company) -> None:
    told, said = story(company, "GO")
    assert [(event["state"], event["posts"]) for event in events(told, "version")] == [("cancelled", False)]
    assert "version 1 of expense report GO: cancelled, nothing of it was ever posted" in said


def test_an_order_names_the_bank_account_that_it_pays_from(company: Company) -> None:
    assert "FR01: version 1, active, posted, from bank account BNP" in story(company, "PF")[1]


def test_a_document_that_waits_tells_what_the_quarantine_found_and_nothing_posted(small_ledger: Company) -> None:
    told, said = story(small_ledger, "R9")
    assert [(row["legal_entity"], row["state"]) for row in told["standing"]] == [(None, "quarantined")]
    assert {event["event"] for run in told["runs"] for event in run["events"]} == {"version", "finding"}
    (finding,) = events(told, "finding")
    assert (finding["rule"], finding["value"]) == ("unknown_employee", "nobody")
    assert (finding["first_run"], finding["last_run"], finding["resolved_run"]) == (1, 3, None)
    assert "found first in run 1, last in run 3, still waits" in said
    _, said = story(small_ledger, "nobody")
    assert "account of nobody\n  nothing is posted on it\n" in said
    assert "unknown_employee in expense_reports R9|1" in said


def test_a_finding_that_was_mended_tells_the_run_that_no_longer_made_it(company: Company) -> None:
    told, said = story(company, "WA")
    assert [(event["run"], event["first_run"]) for event in events(told, "resolved")] == [(2, 1)]
    assert [(event["run"], event["state"]) for event in events(told, "version")] == [(1, "quarantined"), (2, "posted")]
    assert [event["run"] for event in events(told, "entry")] == [2]
    assert said.startswith("expense report WA of E7, Di Roux\n")
    assert "found first in run 1, last in run 1, resolved in run 2" in said


def test_an_employee_whom_an_order_left_out_reads_it_in_their_account(company: Company) -> None:
    told, said = story(company, "E4")
    (finding,) = events(told, "finding")
    assert (finding["rule"], finding["value"]) == ("invalid_iban", "FR…2606")
    assert "0020041010050500013" not in said + json.dumps(told)
    assert [item["entry"] for item in told["open_items"]] == ["LEFT/NDF/2026/1"]


# --------------------------------------------------------------------------------------------------------- entries


def test_an_entry_tells_what_it_reverses_and_what_reversed_it(small_ledger: Company) -> None:
    (first, _), (second, _) = (story(small_ledger, f"FR01/NDF/2026/{number}") for number in (1, 3))
    (entry,) = events(first, "entry")
    assert (entry["reversed_by"]["entry"], entry["reversed_by"]["run"]) == ("FR01/NDF/2026/3", 2)
    assert [(event["run"], event["entry"]) for event in events(first, "contra_entry")] == [(2, "FR01/NDF/2026/3")]
    (contra,) = events(second, "entry")
    assert (contra["reverses"], contra["because"]["cause"]) == ("FR01/NDF/2026/1", "document_changed")
    assert events(second, "contra_entry") == []


def test_an_entry_tells_its_lines_and_its_letterings_over_time(small_ledger: Company) -> None:
    told, _ = story(small_ledger, "FR01/NDF/2026/2")
    assert [(event["run"], event["lettering"]) for event in events(told, "lettering")] == [(1, "AAA"), (3, "AAB")]
    assert causes(told) == [(3, "AAA", [("payment_returned", "PO1", 1)])]
    (entry,) = events(told, "entry")
    foreign = [(line["foreign_currency"], line["foreign_amount"]) for line in entry["lines"]]
    assert foreign == [("USD", "-33.33"), ("USD", "33.33")]
    told, said = story(small_ledger, "FR01/NDF/2026/1")
    (entry,) = events(told, "entry")
    assert [line["sections"] for line in entry["lines"]] == [{}, {"client": "C1", "project": "P1"}, {}]
    assert [line["vat_code"] for line in entry["lines"]] == [None, None, "V20"]
    assert "charge: train, expense X1 (train), client C1, project P1" in said


def test_amounts_have_the_decimals_of_the_books_currency(company: Company) -> None:
    told, said = story(company, "TN")
    assert events(told, "entry")[0]["lines"][0]["credit"] == "1234.500"
    assert events(told, "payment")[0]["amount"] == "1234.500"
    assert "paid 1,234.500 TND to E3 by order PT (TN01/BQ/2026/1, no IBAN)" in said


def test_codes_with_slashes_are_held_against_the_ledger(company: Company) -> None:
    told, _ = stories(company, "A/B/C/2026/1")
    assert [(one["key"]["legal_entity"], one["key"]["journal_code"]) for one in told] == [("A", "B/C"), ("A/B", "C")]
    assert [one["key"]["document"] for one in told] == ["B1", "B2"]
    assert story(company, "A/B/C/2026/1", legal_entity="A/B")[0]["key"]["document"] == "B2"


def test_exports_that_took_an_entry_are_told_as_they_stand(company: Company) -> None:
    for what in ("OU", "OUT/NDF/2026/1"):  # its label has two lines, the story one
        told, said = story(company, what)
        assert [
            (event["run"], event["export_number"], event["status"], event["entries"])
            for event in events(told, "export")
        ] == [(2, 1, "cancelled", ["OUT/NDF/2026/1"]), (2, 2, "recorded", ["OUT/NDF/2026/1"])]
        assert "export 1 of 2026-03-02, profile csv, format csv, cancelled since, its entries are free again" in said
        assert "export 2 of 2026-03-02, profile csv, format csv, recorded; took OUT/NDF/2026/1" in said
        assert "charge: Train to Lyon, expense X1 (train)" in said


# -------------------------------------------------------------------------------------------------------- accounts


@pytest.mark.parametrize("employee", ["E1", "E2"])
def test_an_account_tells_its_balance_line_by_line_down_to_what_is_open(small_ledger: Company, employee: str) -> None:
    told, _ = story(small_ledger, employee)
    balance = Decimal(0)
    for entry in events(told, "entry"):
        for line in entry["lines"]:
            if line["role"] == "employee":
                balance += Decimal(line["debit"]) - Decimal(line["credit"])
            assert Decimal(line["balance"]) == balance, entry["entry"]
    (standing,) = told["standing"]
    assert Decimal(standing["third_party"]) == balance
    assert sum(Decimal(item["debit"]) - Decimal(item["credit"]) for item in told["open_items"]) == balance


def test_an_employee_of_two_legal_entities_has_two_accounts(company: Company) -> None:
    told, said = stories(company, "E2")
    assert [(one["key"]["legal_entity"], one["standing"][0]["third_party"]) for one in told] == [
        ("ONE", "-100.00"),
        ("TWO", "-40.00"),
    ]
    assert said.count("account of E2, Bo Said, in ") == 2
    assert story(company, "E2", legal_entity="TWO")[0]["key"]["legal_entity"] == "TWO"


def test_a_report_of_two_legal_entities_is_told_of_the_one_asked_for(company: Company) -> None:
    assert len(events(story(company, "1A2")[0], "entry")) == 2
    told, _ = story(company, "1A2", legal_entity="TWO")
    assert [event["legal_entity"] for event in events(told, "entry")] == ["TWO"]
    assert [row["legal_entity"] for row in told["standing"]] == ["TWO"]


# ----------------------------------------------------------------------------------------------------------- names


def test_an_id_that_names_several_things_tells_all_of_them(company: Company) -> None:
    told, said = stories(company, "E3")
    assert [(one["subject"], one["key"].get("document_kind")) for one in told] == [
        ("document", "advance"),
        ("document", "expense_report"),
        ("document", "payment_order"),
        ("employee", None),
    ]
    for heading in ("advance E3 of E1", "expense report E3 of E1", "payment order E3", "account of E3"):
        assert re.search(rf"^{heading}\b", said, re.MULTILINE)
    assert [one["subject"] for one in stories(company, "E3", kind="employee")[0]] == ["employee"]
    assert len(stories(company, "E3", kind="document")[0]) == 3


def test_as_of_a_run_nothing_is_known_of_those_after_it(small_ledger: Company, company: Company) -> None:
    told, said = story(small_ledger, "R1", as_of=AsOf(1))
    assert [run["run"] for run in told["runs"]] == [1]
    assert [entry["reversed_by"] for entry in events(told, "entry")] == [None, None]
    assert [lettering["delettered_run"] for lettering in events(told, "lettering")] == [None]
    assert (told["standing"][0]["version"], told["open_items"]) == (1, [])
    assert said == small_ledger.invoke("explain", "R1", "--as-of", "1").stdout.rstrip("\n")
    (finding,) = events(story(small_ledger, "R9", as_of=AsOf(2))[0], "finding")
    assert finding["last_run"] == 2
    assert [events(story(company, "OU", as_of=AsOf(run))[0], "export") != [] for run in (1, 2)] == [False, True]
    for what, run in (("PO2", 2), ("R1", 4)):
        with pytest.raises(UsageError):
            explain(Store.open(small_ledger.store), what, as_of=AsOf(run))


def test_the_command_prints_both(company: Company) -> None:
    told, said = stories(company, "E3", kind="document", legal_entity="IDS")
    asked = ("explain", "E3", "--as", "document", "--legal-entity", "IDS")
    assert company.invoke(*asked).stdout == said + "\n"
    printed = json.loads(company.invoke(*asked, "--json").stdout)
    assert printed == {"what": "E3", "run": 2, "stories": told}


def test_what_names_nothing_says_what_was_looked_for_and_what_is_near(small_ledger: Company) -> None:
    result = small_ledger.invoke("explain", "R8")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "lettrage: R8 is no entry, document or employee of this ledger\n  near to it: R1 (" in result.stderr
    for what, asked, said in (
        ("FR01/BQ/2026/5", {}, "FR01/BQ/2026/1 to 4 (entries)"),
        ("FR1/BQ/2026/1", {}, "FR01/BQ/2026/1 to 4 (entries)"),
        ("R1", {"legal_entity": "BE01"}, "of this ledger in legal entity BE01"),
        ("E1", {"kind": "document"}, "E1 is no document of this ledger"),
        ("nothing like it", {}, "\n  give an entry as LEGAL_ENTITY/JOURNAL_CODE/FISCAL_YEAR/NUMBER"),
        ("FR01/BQ/999999999/999999999999999999", {}, "is no entry, document or employee of this ledger"),
        *((strange, {}, "is no entry, document or employee") for strange in ("", "//1/1", "'; --", "$what", "R%")),
    ):
        with pytest.raises(UsageError, match=re.escape(said)):
            explain(Store.open(small_ledger.store), what, **asked)


# ------------------------------------------------------------------------------------------------------------ docs


def test_the_example_of_the_page_is_what_the_command_prints(small_ledger: Company) -> None:
    page = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    example = re.search(r"^```\n\$ lettrage explain (\S+) --store books\n(.*?)\n```$", page, re.MULTILINE | re.DOTALL)
    assert example is not None
    # When, where and by which version a run was made is the one thing that differs between two machines.
    made = re.compile(r"made \S+ on \S+ by lettrage \S+")
    assert made.sub("made", example[2]) == made.sub("made", story(small_ledger, example[1])[1])
