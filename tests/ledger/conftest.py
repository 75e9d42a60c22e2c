"""A small ledger with everything in it, made once; tests that change it take a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support import Company, advance, allocation, expense, order, report, tax


@pytest.fixture(scope="session")
def small_ledger(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """Three runs: a report, an advance and their payment; a change that deletters it; a return and a second payment."""
    company = Company(tmp_path_factory.mktemp("small-ledger"))
    company.run(
        advances=[advance(), advance("A2", employee="E2", kind="regular")],
        expense_reports=[report(), report("R2", employee="E2"), report("R9", employee="nobody")],
        expenses=[
            expense(),
            expense("R2", gross="33.33", currency="USD", exchange_rate="0.91234567", label="Taxi; 2 persons"),
            expense("R2", expense="X2", payment_method="card"),
            expense("R9"),
        ],
        expense_taxes=[tax()],
        allocations=[allocation()],
        payment_orders=[order()],
    )
    company.run(
        expense_reports=[report(version="2", modified_on="2026-02-02")], expenses=[expense(version="2", gross="90.00")]
    )
    company.run(
        payment_returns=[{"payment_order": "PO1", "employee": "E2", "returned_on": "2026-02-10", "reason": "closed"}],
        payment_orders=[order("PO2", created_on="2026-02-28", cutoff_on="2026-02-28")],
    )
    return company


@pytest.fixture
def ledger(small_ledger: Company, tmp_path: Path) -> Company:
    """A copy of the small ledger."""
    company = Company(tmp_path)
    shutil.copytree(small_ledger.store, company.store)
    company.runs = 3
    return company
