"""Every quarantine rule of spec §3: the smallest rows that break it, and the finding that they make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pipeline.stage.stage import RULES
from schemas.terms import Rule
from tests.support import Company, Tables, advance, allocation, expense, order, reference, report, rows, tax

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Case:
    """batches: taken one after the other; the findings expected are those of the last. changes: of the reference."""

    name: str
    finding: tuple[str, str, str | None]
    batch: Tables
    before: list[Tables] = field(default_factory=list)
    changes: Tables = field(default_factory=dict)


def trip(*expenses: dict[str, str], **more: list[dict[str, str]]) -> Tables:
    return {"expense_reports": [report()], "expenses": list(expenses) or [expense()], **more}


POSTED = trip()
PAID = {**trip(), "payment_orders": [order()]}

CASES: dict[Rule, list[Case]] = {
    Rule.MALFORMED_VALUE: [
        Case("a date", ("expenses", "R1|1|X1", "incurred_on"), trip(expense(incurred_on="10/01/2026"))),
        Case(
            "an enum",
            ("expense_reports", "R1|1", "status"),
            {"expense_reports": [report(status="done")], "expenses": [expense()]},
        ),
        Case("an exponent", ("expenses", "R1|1|X1", "gross"), trip(expense(gross="1e2"))),
        Case("a thousands separator", ("expenses", "R1|1|X1", "gross"), trip(expense(gross="1,000.00"))),
        Case("a plus", ("expenses", "R1|1|X1", "gross"), trip(expense(gross="+5"))),
        Case("too many decimals", ("expenses", "R1|1|X1", "gross"), trip(expense(gross="1.001"))),
        Case("too many digits", ("expenses", "R1|1|X1", "gross"), trip(expense(gross="100000000000000"))),
        Case(
            "too large in the entity's currency",
            ("expenses", "R1|1|X1", "gross"),
            trip(expense(gross="90000000000000", currency="USD", exchange_rate="2")),
        ),
        Case(
            "a rate in the own currency", ("expenses", "R1|1|X1", "exchange_rate"), trip(expense(exchange_rate="1.5"))
        ),
        Case(
            "a percent of nothing",
            ("allocations", "R1|1|X1|1|project", "percent"),
            trip(allocations=[allocation(percent="0")]),
        ),
        Case(
            "a split of zero", ("allocations", "R1|1|X1|0|project", "split"), trip(allocations=[allocation(split="0")])
        ),
        Case("a third-party grant", ("advances", "A1|1", "movement"), {"advances": [advance(kind="third_party")]}),
        Case(
            "a cutoff after the order",
            ("payment_orders", "PO1|1", "cutoff_on"),
            {"payment_orders": [order(cutoff_on="2026-02-01")]},
        ),
        Case(
            "an exclusion of nobody",
            ("payment_exclusions", "PO1||", "report"),
            {
                "payment_orders": [order()],
                "payment_exclusions": [{"payment_order": "PO1", "report": "", "employee": ""}],
            },
        ),
        Case(
            "an exclusion of both",
            ("payment_exclusions", "PO1|R1|E1", "report"),
            {
                "payment_orders": [order()],
                "payment_exclusions": [{"payment_order": "PO1", "report": "R1", "employee": "E1"}],
            },
        ),
        Case(
            "a version that is none",
            ("expense_reports", "R1|one", "version"),
            {"expense_reports": [report(version="one")]},
        ),
    ],
    Rule.MISSING_VALUE: [
        Case("no currency", ("expenses", "R1|1|X1", "currency"), trip(expense(currency=""))),
        Case("no report", ("expense_reports", "|1", "report"), {"expense_reports": [report(report="")]}),
        Case(
            "no day of return",
            ("payment_returns", "PO1|E1", "returned_on"),
            {"payment_returns": [{"payment_order": "PO1", "employee": "E1", "returned_on": "", "reason": "x"}]},
        ),
    ],
    Rule.DUPLICATE_KEY: [
        Case("an expense twice", ("expenses", "R1|1|X1", None), trip(expense(), expense(gross="5.00"))),
        Case(
            "a report twice",
            ("expense_reports", "R1|1", None),
            {"expense_reports": [report(), report(label="again")], "expenses": [expense()]},
        ),
    ],
    Rule.ORPHAN_ROW: [
        Case("no report", ("expenses", "R9|1|X1", None), {"expenses": [expense(report="R9")]}),
        Case("no expense", ("expense_taxes", "R1|1|X9|V20", "expense"), trip(expense_taxes=[tax("X9")])),
        Case(
            "no order",
            ("payment_exclusions", "PO9|R1|", None),
            {"payment_exclusions": [{"payment_order": "PO9", "report": "R1", "employee": ""}]},
        ),
        Case("a higher version", ("expenses", "R1|2|X1", None), trip(expense(), expense(version="2"))),
    ],
    Rule.UNKNOWN_EMPLOYEE: [
        Case(
            "of a report",
            ("expense_reports", "R1|1", "employee"),
            {"expense_reports": [report(employee="E9")], "expenses": [expense(legal_entity="FR01")]},
        ),
        Case("of an advance", ("advances", "A1|1", "employee"), {"advances": [advance(employee="E9")]}),
        Case(
            "of a payment",
            ("payment_orders", "PO1|E1", "employee"),
            {"payment_orders": [order()]},
            before=[POSTED],
            changes={"employees": rows("employee name\nE2 Bo")},
        ),
    ],
    Rule.UNKNOWN_LEGAL_ENTITY: [
        Case("of an expense", ("expenses", "R1|1|X1", "legal_entity"), trip(expense(legal_entity="US01"))),
        Case(
            "of an order", ("payment_orders", "PO1|1", "legal_entity"), {"payment_orders": [order(legal_entity="US01")]}
        ),
        Case(
            "by affiliation",
            ("expenses", "R1|1|X1", "legal_entity"),
            trip(),
            changes={"affiliations": rows("employee legal_entity valid_from\nE1 US01 2024-01-01")},
        ),
    ],
    Rule.NO_AFFILIATION: [
        Case("before the first", ("expenses", "R1|1|X1", "incurred_on"), trip(expense(incurred_on="2023-12-31")))
    ],
    Rule.UNKNOWN_VAT_CODE: [
        Case("a code", ("expense_taxes", "R1|1|X1|V99", "vat_code"), trip(expense_taxes=[tax(vat_code="V99")]))
    ],
    Rule.NO_ACCOUNT: [
        Case("of a charge", ("expenses", "R1|1|X1", "expense_type"), trip(expense(expense_type="yacht"))),
        Case("of a company method", ("expenses", "R1|1|X1", "payment_method"), trip(expense(payment_method="cheque"))),
        Case("of a compensation", ("advances", "A1|1", "compensation"), {"advances": [advance(compensation="gold")]}),
        Case(
            "of VAT",
            ("expense_taxes", "R1|1|X1|V20", "vat_code"),
            trip(expense_taxes=[tax()]),
            changes={"chart_of_accounts": [row for row in reference()["chart_of_accounts"] if row["role"] != "vat"]},
        ),
        Case(
            "of the employee",
            ("expense_reports", "R1|1", "employee"),
            trip(),
            changes={
                "chart_of_accounts": [row for row in reference()["chart_of_accounts"] if row["role"] != "employee"]
            },
        ),
        Case(
            "of a payment",
            ("payment_orders", "PO1|E1", None),
            {"payment_orders": [order()]},
            before=[POSTED],
            changes={
                "chart_of_accounts": [
                    row for row in reference()["chart_of_accounts"] if row["role"] != "payment_compensation"
                ]
            },
        ),
    ],
    Rule.NO_JOURNAL: [
        Case(
            "of a report",
            ("expense_reports", "R1|1", None),
            trip(),
            changes={"journals": [row for row in reference()["journals"] if row["journal"] != "advance_imputation"]},
        ),
        Case(
            "of an order",
            ("payment_orders", "PO1|1", None),
            {"payment_orders": [order()]},
            changes={"journals": [row for row in reference()["journals"] if row["journal"] != "payment"]},
        ),
    ],
    Rule.UNKNOWN_CURRENCY: [
        Case("a currency", ("expenses", "R1|1|X1", "currency"), trip(expense(currency="EUX", exchange_rate="1")))
    ],
    Rule.MISSING_RATE: [Case("a rate", ("expenses", "R1|1|X1", "exchange_rate"), trip(expense(currency="USD")))],
    Rule.RATE_NOT_POSITIVE: [
        Case(
            "a rate of zero", ("expenses", "R1|1|X1", "exchange_rate"), trip(expense(currency="USD", exchange_rate="0"))
        )
    ],
    Rule.AMOUNT_NOT_POSITIVE: [
        Case("an advance of nothing", ("advances", "A1|1", "amount"), {"advances": [advance(amount="0.00")]})
    ],
    Rule.VAT_EXCEEDS_GROSS: [
        Case(
            "taxed more than the gross",
            ("expenses", "R1|1|X1", "taxed_gross"),
            trip(expense_taxes=[tax(taxed_gross="100.01")]),
        ),
        Case(
            "VAT of the other sign",
            ("expenses", "R1|1|X1", "vat_amount"),
            trip(expense_taxes=[tax(vat_amount="-1.00")]),
        ),
    ],
    Rule.MISSING_TAXED_GROSS: [
        Case(
            "two codes",
            ("expense_taxes", "R1|1|X1|V10", "taxed_gross"),
            trip(expense_taxes=[tax(taxed_gross="50.00"), tax(vat_code="V10")]),
        )
    ],
    Rule.ALLOCATION_NOT_100: [
        Case("too little", ("expenses", "R1|1|X1", "percent"), trip(allocations=[allocation(percent="99.9999")])),
        Case(
            "two percents in a split",
            ("expenses", "R1|1|X1", "percent"),
            trip(allocations=[allocation(), allocation(percent="50", axis="client", section="C1")]),
        ),
    ],
    Rule.AXIS_MISSING: [
        Case(
            "a required axis",
            ("expenses", "R1|1|X1", "project"),
            trip(),
            changes={
                "axes": rows("axis name parent_axis required\nclient Client - false\nproject Project client true")
            },
        ),
    ],
    Rule.UNKNOWN_SECTION: [
        Case(
            "a section", ("allocations", "R1|1|X1|1|project", "section"), trip(allocations=[allocation(section="P9")])
        ),
        Case("an axis", ("allocations", "R1|1|X1|1|planet", "axis"), trip(allocations=[allocation(axis="planet")])),
    ],
    Rule.SECTION_INACTIVE: [
        Case(
            "a closed project",
            ("allocations", "R1|1|X1|1|project", "project"),
            trip(allocations=[allocation(section="P3")]),
        )
    ],
    Rule.SECTION_NOT_ALLOWED: [
        Case(
            "somebody else's project",
            ("allocations", "R1|1|X1|1|project", "project"),
            trip(allocations=[allocation(section="P2")]),
        )
    ],
    Rule.HIERARCHY_MISMATCH: [
        Case(
            "another client",
            ("allocations", "R1|1|X1|1|project", "client"),
            trip(allocations=[allocation(), allocation(axis="client", section="C2")]),
        ),
    ],
    Rule.EMPLOYEE_CHANGED: [
        Case(
            "a report",
            ("expense_reports", "R1|2", "employee"),
            {"expense_reports": [report(version="2", employee="E2")], "expenses": [expense(version="2")]},
            before=[POSTED],
        ),
        Case(
            "a cancelled one too",
            ("expense_reports", "R1|2", "employee"),
            {"expense_reports": [report(version="2", employee="E2", status="cancelled")]},
            before=[POSTED],
        ),
    ],
    Rule.LEGAL_ENTITY_CHANGED: [
        Case(
            "an advance",
            ("advances", "A1|2", "legal_entity"),
            {"advances": [advance(version="2", legal_entity="BE01")]},
            before=[{"advances": [advance()]}],
        ),
        Case(
            "an order",
            ("payment_orders", "PO1|2", "legal_entity"),
            {"payment_orders": [order(version="2", legal_entity="BE01")]},
            before=[PAID],
        ),
    ],
    Rule.VERSION_CONFLICT: [
        Case("a report", ("expense_reports", "R1|1", "version"), trip(expense(gross="99.00")), before=[POSTED]),
        Case(
            "a return",
            ("payment_returns", "PO1|E1", "returned_on"),
            {
                "payment_returns": [
                    {"payment_order": "PO1", "employee": "E1", "returned_on": "2026-02-05", "reason": "AC04"}
                ]
            },
            before=[
                PAID,
                {
                    "payment_returns": [
                        {"payment_order": "PO1", "employee": "E1", "returned_on": "2026-02-04", "reason": "AC04"}
                    ]
                },
            ],
        ),
    ],
    Rule.NO_EXPENSE: [Case("a report", ("expense_reports", "R1|1", None), {"expense_reports": [report()]})],
    Rule.PAYMENT_MODULE_OFF: [
        Case("an order", ("payment_orders", "PO1|1", "legal_entity"), {"payment_orders": [order(legal_entity="XP01")]})
    ],
    Rule.ORDER_ALREADY_PAID: [
        Case(
            "another cutoff",
            ("payment_orders", "PO1|2", "version"),
            {"payment_orders": [order(version="2", cutoff_on="2026-01-30")]},
            before=[PAID],
        ),
        Case(
            "active again",
            ("payment_orders", "PO1|3", "version"),
            {"payment_orders": [order(version="3")]},
            before=[PAID, {"payment_orders": [order(version="2", status="cancelled")]}],
        ),
    ],
    Rule.UNKNOWN_PAYMENT: [
        Case(
            "of an unknown order",
            ("payment_returns", "PO9|E1", "payment_order"),
            {
                "payment_returns": [
                    {"payment_order": "PO9", "employee": "E1", "returned_on": "2026-02-05", "reason": ""}
                ]
            },
        ),
        Case(
            "of somebody it did not pay",
            ("payment_returns", "PO1|E2", "payment_order"),
            {
                "payment_returns": [
                    {"payment_order": "PO1", "employee": "E2", "returned_on": "2026-02-05", "reason": ""}
                ]
            },
            before=[PAID],
        ),
        Case(
            "of a cancelled payment",
            ("payment_returns", "PO1|E1", "payment_order"),
            {
                "payment_returns": [
                    {"payment_order": "PO1", "employee": "E1", "returned_on": "2026-02-05", "reason": ""}
                ]
            },
            before=[PAID, {"payment_orders": [order(version="2", status="cancelled")]}],
        ),
    ],
    Rule.UNKNOWN_BANK_ACCOUNT: [
        Case(
            "a bank account",
            ("payment_orders", "PO1|1", "bank_account"),
            {"payment_orders": [order(bank_account="LBP")]},
        )
    ],
    Rule.INVALID_IBAN: [
        Case(
            "the payer's", ("payment_orders", "PO1|1", "bank_account"), {"payment_orders": [order(bank_account="BAD")]}
        ),
        Case(
            "the payee's",
            ("payment_orders", "PO1|E2", "iban"),
            {"expense_reports": [report(employee="E2")], "expenses": [expense()], "payment_orders": [order()]},
            changes={"employees": rows("employee name iban\nE1 Ada -\nE2 Bo DE00370400440532013000")},
        ),
    ],
}


def test_every_rule_has_a_case() -> None:
    assert set(CASES) == set(Rule)


def test_every_rule_file_is_a_rule_of_the_specification() -> None:
    assert {path.stem for path in RULES} | {"unknown_payment"} == {str(rule) for rule in Rule}


@pytest.mark.parametrize(
    ("rule", "case"),
    [pytest.param(rule, case, id=f"{rule}: {case.name}") for rule, cases in CASES.items() for case in cases],
)
def test_rule(rule: Rule, case: Case, tmp_path: Path) -> None:
    company = Company(tmp_path)
    for batch in case.before:
        company.run(**batch)
        assert company.exit_code == 0
    company.reference = {**company.reference, **case.changes}
    result = company.run(**case.batch)
    found = {
        (finding["rule"], finding["table_name"], finding["row_key"], finding["column_name"])
        for finding in result["findings"]
    }
    assert (str(rule), *case.finding) in found
    assert {name for name, *_ in found} == {str(rule)}, "the rows break no other rule"
    assert company.exit_code == 3
    messages = [finding["message"] for finding in result["findings"]]
    assert all(len(message) > 20 for message in messages)
    kept = company.table("quarantine").filter(rule=str(rule))
    assert set(kept["message"]) == set(messages)
    company.check()


def test_a_bad_row_takes_no_other_document_with_it(tmp_path: Path) -> None:
    company = Company(tmp_path)
    company.run(
        expense_reports=[report(), report("R2")],
        expenses=[expense(gross="oops"), expense("R2")],
    )
    assert set(company.table("entry_lines")["document"]) == {"R2"}


def test_quarantined_documents_pass_once_the_reference_is_mended(tmp_path: Path) -> None:
    company = Company(tmp_path)
    company.run(**trip(expense(expense_type="yacht")))
    assert company.run()["findings"] == []
    assert company.exit_code == 0
    company.run(options=("--strict",))
    assert company.exit_code == 3
    company.reference["chart_of_accounts"] += rows("legal_entity role key employee account\n* charge yacht * 625900")
    company.run()
    tables = company.dump()
    assert set(tables["entry_lines"]["account"]) == {"421000", "625900"}
    finding = tables["quarantine"].row(0, named=True)
    assert (finding["first_run"], finding["last_run"], finding["resolved_run"]) == (1, 3, 4)
    retried = tables["runs"].filter(table_name="expenses", run=4).row(0, named=True)
    assert (retried["rows_in"], retried["retried"], retried["posted"]) == (0, 1, 1)
    company.check()
