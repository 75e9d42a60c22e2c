"""A company with two months of books, made once; tests that change something take a copy."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.api.support import Served, month
from tests.support import advance, expense, report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.testclient import TestClient


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the company: two runs, an export of each of two legal entities, findings of both."""
    company = Served(tmp_path_factory.mktemp("books"))
    company.run(**month())
    company.run(
        expense_reports=[report("R5", employee="E1"), report("R6", employee="E2", declared_on="2026-02-21")],
        expenses=[
            expense("R5", legal_entity="FR01", expense_type="taxi"),
            expense("R6", legal_entity="BE01", expense_type="taxi", incurred_on="2026-02-20"),
        ],
        advances=[advance("A2", employee="E2", legal_entity="BE01", occurred_on="2026-02-22")],
    )
    with company.serving() as client:
        for entity in ("FR01", "BE01"):
            assert client.post("/v1/exports", json={"format": "csv", "legal_entity": entity}).status_code == 201
    return company.directory


@pytest.fixture(scope="session")
def books(made: Path) -> Served:
    """The company itself: nothing may change it."""
    return Served(made)


@pytest.fixture(scope="session")
def reading(books: Served) -> Iterator[TestClient]:
    """The API of the company itself, for requests that change nothing."""
    with books.serving() as served:
        yield served


@pytest.fixture
def company(made: Path, tmp_path: Path) -> Served:
    """A copy of the company."""
    shutil.copytree(made, tmp_path / "books")
    return Served(tmp_path / "books")


@pytest.fixture
def client(company: Served) -> Iterator[TestClient]:
    """The API of a copy, with a key of all rights."""
    with company.serving() as served:
        yield served
