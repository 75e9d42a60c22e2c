"""The sample's ledger, made once a test session, and small companies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from filelock import FileLock

from pipeline.cli import main
from tests.support import Company, Tables, advance, allocation, expense, order, reference, report, rows, tax

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


@pytest.fixture(scope="session")
def sample_ledger(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Gives the sample's ledger after its three batches; nobody writes into it. Made by the first worker that asks."""
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent
    store = shared / "sample-ledger"
    with FileLock(shared / "sample-ledger.lock"):
        if not store.exists():
            made = shared / "sample-ledger-in-the-making"
            for batch in sorted(SAMPLE.glob("batch-*")):
                arguments = ["run", "--reference", str(SAMPLE / "reference"), "--batch", str(batch)]
                result = CliRunner().invoke(main, [*arguments, "--store", str(made), "--on", "2026-04-02"])
                assert result.exit_code in (0, 3), result.output
            made.rename(store)
    return store


@pytest.fixture
def sample_company(sample_ledger: Path, tmp_path: Path) -> Company:
    """Gives a copy of the sample's ledger to export from."""
    company = Company(tmp_path)
    shutil.copytree(sample_ledger, company.store)
    return company


@pytest.fixture
def company(tmp_path: Path) -> Company:
    """Gives a company whose ledger is empty."""
    return Company(tmp_path)


@pytest.fixture(scope="session")
def two_months(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """Two runs: January, then February after January was closed, with the change of a report already paid."""
    company = Company(tmp_path_factory.mktemp("two-months"), _company_of_two_months(closed_through=""))
    company.run(
        on="2026-02-01",
        advances=[advance(), advance("A2", employee="E3", legal_entity="TN01", amount="12.345")],
        expense_reports=[
            report(label='=HYPERLINK("x")'),
            report("R2", employee="E2", declared_on="2026-01-20"),
            report("R3", employee="E3", declared_on="2026-01-21"),
        ],
        expenses=[
            expense(label='Train; Łódź \u2013 3€ | "première"'),
            expense(expense="X2", expense_type="hotel", currency="USD", exchange_rate="0.91234567", gross="33.33"),
            expense(expense="X3", payment_method="card", label="two\nlines\tand a tab"),
            expense("R2", expense_type="meal", gross="-7.05", label="+33 1 refund"),
            expense("R2", expense="X2", payment_method="card", gross="60.00", label="Dîner 日本"),
            expense("R3", gross="99.999", currency="TND", label="Tunis"),
        ],
        expense_taxes=[tax(), tax("X3", vat_code="V10")],
        allocations=[allocation()],
        payment_orders=[order(), order("PO-TN", legal_entity="TN01")],
    )
    company.reference = _company_of_two_months(closed_through="2026-01-31")
    company.run(
        on="2026-03-01",
        expense_reports=[
            report(version="2", modified_on="2026-02-10", label="changed"),
            report("R4", employee="E2", declared_on="2026-02-11"),
        ],
        expenses=[
            expense(version="2", gross="90.00", label="Train"),
            expense("R4", expense_type="hotel", gross="250.40", legal_entity="FR01"),
        ],
        payment_orders=[order("PO2", created_on="2026-02-28", cutoff_on="2026-02-28")],
    )
    return company


@pytest.fixture
def ledger(two_months: Company, tmp_path: Path) -> Company:
    """A copy of the ledger of two months."""
    company = Company(tmp_path, two_months.reference)
    shutil.copytree(two_months.store, company.store)
    company.runs = two_months.runs
    return company


def _company_of_two_months(*, closed_through: str) -> Tables:
    """The company of the tests, its FR01 with names beyond ASCII and an account and a card of Bo's own."""
    tables = reference()
    tables["legal_entities"][0] |= {"name": "Société Alpha & Cœur", "closed_through": closed_through}
    for employee, name in zip(tables["employees"], ("Ada Moreau-Łuczak", "Bo Saïd", "Cy Petit"), strict=True):
        employee["name"] = name
    tables["chart_of_accounts"] += rows("""
        legal_entity role         key  employee account auxiliary   label
        FR01         company_paid card E2       467900  CARD_E2     Card_of_Bo
        FR01         employee     *    E2       4210E2  {auxiliary} Staff,_Bo
    """)
    return tables
