"""The sample's ledger, made once a test session, and small companies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from filelock import FileLock

from pipeline.cli import main
from tests.support import Company

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
