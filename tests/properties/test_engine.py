"""What must hold of the engine whatever comes in: it agrees with the oracle, and with itself however it is asked."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.properties.companies import Company, companies, company, cut, cuttable, write
from tests.properties.compare_engine import ON, compare, compare_company, dumped, run_engine

if TYPE_CHECKING:
    from pathlib import Path

Rows = list[dict[str, Any]]


@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (0, *range(3, 8)))])
def test_engine_and_oracle_agree(seed: int) -> None:
    assert compare(seed) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(300, 340))
def test_engine_and_oracle_agree_on_many_companies(seed: int) -> None:
    assert compare(seed, each=True) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_engine_and_oracle_agree_on_larger_companies(seed: int) -> None:
    assert compare(seed, 6) == []


@pytest.mark.slow
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(companies(max_size=1))
def test_engine_and_oracle_agree_on_what_hypothesis_finds(made: Company) -> None:
    assert compare_company(made) == []


def ledger(made: Company, directory: Path, *options: str) -> dict[str, Rows]:
    """Takes a company's batches one after the other; gives the ledger's tables."""
    store = directory / "store"
    for reference, batch in write(made, directory):
        code, output = run_engine(
            "run", "--reference", reference, "--batch", batch, "--store", store, "--on", ON.isoformat(), *options
        )
        assert code in (0, 3), output
    return dumped(store, directory / "dump")


def bytes_of(directory: Path) -> dict[str, bytes]:
    """The dump's files, but for the one table that says when and where."""
    return {path.name: path.read_bytes() for path in (directory / "dump").iterdir() if path.stem != "run_times"}


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (0, 2))])
def test_order_of_rows_and_number_of_threads_change_no_byte(seed: int, tmp_path: Path) -> None:
    made = company(seed)
    ledger(made, tmp_path / "one", "--threads", "1")
    shuffler = random.Random(seed)
    for tables in (*made.references, *made.batches):
        for rows in tables.values():
            shuffler.shuffle(rows)
    ledger(made, tmp_path / "other", "--threads", "4")
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "other")


@pytest.mark.parametrize("seed", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_a_batch_given_twice_posts_nothing_the_second_time(seed: int, tmp_path: Path) -> None:
    made = company(seed)
    once = ledger(made, tmp_path / "once")
    twice = ledger(
        Company(seed, 1, [*made.references, made.references[-1]], [*made.batches, made.batches[-1]]), tmp_path / "twice"
    )
    for table in ("entry_lines", "letterings", "lettering_lines", "payments", "balances", "employee_accounts"):
        assert once[table] == twice[table], table


def without_numbers(tables: dict[str, Rows]) -> dict[str, list[str]]:
    """Lines, letterings and payments apart from runs and numbers (spec §8)."""
    apart = {"run", "entry_number", "lettered_run", "delettered_run", "reverses", "reverses_fiscal_year"}
    return {
        table: sorted(str([(name, value) for name, value in row.items() if name not in apart]) for row in tables[table])
        for table in ("entry_lines", "letterings", "payments")
    }


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 40))])
def test_batches_cut_by_event_date_give_the_same_ledger(seed: int, tmp_path: Path) -> None:
    made = cuttable(seed, 2)
    whole = ledger(made, tmp_path / "whole")
    days = [f"2026-{random.Random(seed).randint(1, 2):02}-{day:02}" for day in (5, 14, 22)]
    parts = cut(made.batches[0], days)
    pieces = Company(seed, 2, made.references * len(parts), parts)
    assert without_numbers(ledger(pieces, tmp_path / "cut")) == without_numbers(whole)
