"""The oracle keeps the invariants of spec §8 on random companies, so that it may judge the engine."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.oracle import Oracle
from tests.oracle.reading import MOVEMENTS, Tables
from tests.properties.companies import Company, companies, company, cut, cuttable

ON = date(2026, 6, 1)
FATES = ("posted", "unchanged", "superseded", "ignored", "quarantined")
RULES = {
    "malformed_value",
    "missing_value",
    "duplicate_key",
    "orphan_row",
    "unknown_employee",
    "unknown_legal_entity",
    "no_affiliation",
    "unknown_vat_code",
    "no_account",
    "no_journal",
    "unknown_currency",
    "missing_rate",
    "rate_not_positive",
    "amount_not_positive",
    "vat_exceeds_gross",
    "missing_taxed_gross",
    "allocation_not_100",
    "axis_missing",
    "unknown_section",
    "section_inactive",
    "section_not_allowed",
    "hierarchy_mismatch",
    "employee_changed",
    "legal_entity_changed",
    "version_conflict",
    "no_expense",
    "payment_module_off",
    "order_already_paid",
    "unknown_payment",
    "unknown_bank_account",
    "invalid_iban",
}
ENTRY = ("legal_entity", "journal_code", "fiscal_year", "entry_number")


def key(row: dict[str, Any], columns: tuple[str, ...] = ENTRY) -> tuple[Any, ...]:
    return tuple(row[column] for column in columns)


def posted(references: list[Tables], batches: list[Tables]) -> Oracle:
    oracle = Oracle()
    for reference, batch in zip(references, batches, strict=True):
        oracle.run(reference, batch, ON)
        check_invariants(oracle)
    return oracle


def check_invariants(oracle: Oracle) -> None:
    lines = oracle.entry_lines
    check_entries(lines)
    check_contra_entries(lines)
    check_letterings(oracle)
    for account in oracle.employee_accounts:
        assert account["advance_one_time"] >= 0, account
    for row in oracle.balances:
        assert row["balance"] == row["debit"] - row["credit"]
    check_rows(oracle)


def check_entries(lines: list[dict[str, Any]]) -> None:
    totals: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    line_numbers: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for line in lines:
        totals[key(line)] += line["debit"] - line["credit"]
        line_numbers[key(line)].append(line["line_number"])
        assert (line["debit"] == 0) != (line["credit"] == 0), line
        assert line["debit"] >= 0, line
        assert line["credit"] >= 0, line
        assert line["entry_date"] >= line["document_date"]
        assert (line["foreign_currency"] is None) == (line["foreign_amount"] is None)
    assert set(totals.values()) <= {Decimal(0)}
    series: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for place, numbers in line_numbers.items():
        assert numbers == list(range(1, len(numbers) + 1))
        series[place[:3]].append(place[3])
    for series_numbers in series.values():
        assert sorted(series_numbers) == list(range(1, len(series_numbers) + 1))


def check_contra_entries(lines: list[dict[str, Any]]) -> None:
    entries: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        entries[key(line)].append(line)
    passed: Counter[tuple[Any, ...]] = Counter()
    for place, contra in entries.items():
        if not contra[0]["reversal"]:
            continue
        name = (*place[:2], contra[0]["reverses_fiscal_year"], contra[0]["reverses"])
        passed[name] += 1
        original = entries[name]
        assert not original[0]["reversal"]
        assert len(original) == len(contra)
        for one, other in zip(original, contra, strict=True):
            assert (one["account"], one["auxiliary"], one["debit"], one["credit"]) == (
                other["account"],
                other["auxiliary"],
                other["credit"],
                other["debit"],
            )
    assert set(passed.values()) <= {1}


def check_letterings(oracle: Oracle) -> None:
    lines = {(*key(line), line["line_number"]): line for line in oracle.entry_lines}
    balance: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    in_force: dict[tuple[Any, ...], str] = {}
    dissolved = {key(row, ("legal_entity", "employee", "lettering")): row["delettered_on"] for row in oracle.letterings}
    assert len(dissolved) == len(oracle.letterings)
    for row in oracle.letterings:
        assert row["delettered_on"] is None or row["delettered_on"] >= row["lettered_on"]
    for row in oracle.lettering_lines:
        line = lines[(*key(row), row["line_number"])]
        assert line["role"] == "employee"
        assert (line["legal_entity"], line["employee"]) == (row["legal_entity"], row["employee"])
        name = key(row, ("legal_entity", "employee", "lettering"))
        balance[(*name, line["account"], line["auxiliary"])] += line["debit"] - line["credit"]
        if dissolved[name] is None:
            assert (*key(row), row["line_number"]) not in in_force
            in_force[(*key(row), row["line_number"])] = row["lettering"]
    assert set(balance.values()) <= {Decimal(0)}
    for place, line in lines.items():
        assert line["lettering"] == in_force.get(place)


def check_rows(oracle: Oracle) -> None:
    waiting: Counter[str] = Counter()
    for row in oracle.runs:
        assert row["rows_in"] + row["retried"] == sum(row[fate] for fate in FATES), row
        assert row["retried"] == waiting[row["table_name"]]
        waiting[row["table_name"]] = row["quarantined"]


@pytest.mark.parametrize("seed", range(250))
def test_every_run_keeps_the_invariants(seed: int) -> None:
    made = company(seed, 1 + seed % 5 // 4)
    posted(made.references, made.batches)


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(companies())
def test_every_run_keeps_the_invariants_whatever_hypothesis_finds(made: Company) -> None:
    posted(made.references, made.batches)


@pytest.mark.parametrize("seed", range(60))
def test_a_batch_given_twice_posts_nothing_the_second_time(seed: int) -> None:
    made = company(seed)
    oracle = posted(made.references, made.batches)
    before = oracle.entry_lines, oracle.letterings, oracle.payments
    oracle.run(made.references[-1], made.batches[-1], ON)
    again = [row for row in oracle.entry_lines if row["run"] == oracle.run_number]
    # Only returns that came before their order's payment, and what waited for it, may pass the second time.
    assert {row["document_kind"] for row in again} <= {"payment_order"}
    assert all(row["reversal"] for row in again)
    if not again:
        assert (oracle.entry_lines, oracle.letterings, oracle.payments) == before
    check_invariants(oracle)


@pytest.mark.parametrize("seed", range(40))
def test_the_order_of_rows_changes_nothing(seed: int) -> None:
    made = company(seed)
    shuffled = [
        {table: random.Random(seed + 1).sample(rows, len(rows)) for table, rows in batch.items()}
        for batch in made.batches
    ]
    one, other = posted(made.references, made.batches), posted(made.references, shuffled)
    for table in ("entry_lines", "letterings", "lettering_lines", "payments", "documents", "quarantine", "runs"):
        assert getattr(one, table) == getattr(other, table), table


def test_the_companies_break_every_rule_and_meet_every_fate() -> None:
    rules: set[str] = set()
    fates: Counter[str] = Counter()
    statuses: set[str] = set()
    for seed in range(200):
        made = company(seed, 2)
        oracle = posted(made.references, made.batches)
        rules |= {row["rule"] for row in oracle.quarantine}
        statuses |= {row["status"] for row in oracle.payments}
        for row in oracle.runs:
            fates.update({fate: row[fate] for fate in FATES})
    assert rules == RULES
    assert min(fates[fate] for fate in FATES) > 0
    assert statuses == {"paid", "returned", "cancelled"}


def without_numbers(oracle: Oracle) -> dict[str, Counter[str]]:
    """Gives lines, letterings and payments without runs and numbers."""
    apart = {"run", "entry_number", "reverses", "lettered_run", "delettered_run"}
    lines = {(*key(line), line["line_number"]): line for line in oracle.entry_lines}
    tables = {
        "entry_lines": oracle.entry_lines,
        "letterings": oracle.letterings,
        "payments": oracle.payments,
        "lettering_lines": [
            {**lines[(*key(row), row["line_number"])], "lettering": row["lettering"]} for row in oracle.lettering_lines
        ],
    }
    return {
        table: Counter(str({column: value for column, value in row.items() if column not in apart}) for row in rows)
        for table, rows in tables.items()
    }


@pytest.mark.parametrize("seed", range(120))
def test_batches_cut_by_event_date_give_the_same_ledger(seed: int) -> None:
    made = cuttable(seed, 1 + seed % 3)
    whole = posted(made.references, made.batches)
    days = random.Random(seed).sample([f"2026-01-{day:02}" for day in range(1, 32)], 3)
    parts = cut(made.batches[0], days)
    cut_up = posted(made.references * len(parts), parts)
    assert without_numbers(cut_up) == without_numbers(whole)
    assert sum(row["rows_in"] for row in cut_up.runs) == sum(len(made.batches[0][table]) for table in MOVEMENTS)
