"""The ledger of then, of random companies: as of each run what it was after it, on each day what plain Python makes."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.ledger.as_of import AsOf
from pipeline.ledger.balances import HERE
from pipeline.ledger.dump import dump
from pipeline.ledger.reading import ledger_session, output_query
from pipeline.ledger.store import Store
from pipeline.sql import Session
from tests.ledger.then import LINE, Rows, books_on, days_of, of
from tests.properties.companies import Company, company, write
from tests.properties.compare_engine import ON, run_engine

DATED = ("entry_lines", "letterings", "lettering_lines", "balances", "employee_accounts", "payments")
FAST, MANY = range(1), range(20, 50)


def dumped(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def ledger(made: Company, directory: Path) -> list[dict[str, bytes]]:
    """Takes a company's batches one after the other; gives what was dumped after each."""
    after = []
    for number, (reference, batch) in enumerate(write(made, directory), start=1):
        arguments = ("--reference", reference, "--batch", batch, "--on", ON.isoformat())
        code, output = run_engine("run", *arguments, "--store", directory / "store")
        assert code in (0, 3), output
        dump(Store.open(directory / "store"), directory / f"dump-{number}")
        after.append(dumped(directory / f"dump-{number}"))
    return after


def rows(session: Session, table: str) -> Rows:
    return session.query(output_query(session, table)).to_dicts()


def counted(table: Rows) -> Counter[Any]:
    """Rows in any order; an axis that no line of the day bears is no column, and one that is empty says nothing."""
    return Counter(frozenset((name, value) for name, value in row.items() if value is not None) for row in table)


@pytest.mark.parametrize("seed", [*FAST, *(pytest.param(seed, marks=pytest.mark.slow) for seed in MANY)])
def test_as_of_a_run_is_what_was_dumped_after_it_and_a_day_is_what_its_lines_say(seed: int, tmp_path: Path) -> None:
    after = ledger(company(seed), tmp_path)
    store = Store.open(tmp_path / "store")
    assert store.run == len(after)
    for run, expected in enumerate(after, start=1):
        dump(store, tmp_path / f"as-of-{run}", as_of=AsOf(run))
        then = dumped(tmp_path / f"as-of-{run}")
        assert then.keys() == expected.keys()
        assert [name for name in expected if then[name] != expected[name]] == [], f"as of run {run}"
    for run in range(1, len(after) + 1) if seed in MANY else (len(after),):
        hold_days(store, run, every=1 if seed in MANY else 4)


def hold_days(store: Store, run: int, every: int) -> None:
    """Holds the books of the days on which something happens to what plain Python makes of the run's tables."""
    with ledger_session(store, as_of=AsOf(run)) as session:
        known = {table: rows(session, table) for table in DATED}
    days = days_of(known)[::every]
    if not days:
        return
    with ledger_session(store, as_of=AsOf(run, days[0])) as session:
        for day in days:
            session.con.execute("set variable as_of_date = $day", {"day": day})
            expected = books_on(known, day)
            found = {table: rows(session, table) for table in DATED}
            for table in DATED:
                assert counted(found[table]) == counted(expected[table]), (run, day, table)
            assert max(Counter(of(line, LINE) for line in found["entry_lines"]).values()) == 1
            session.run(HERE / "open_items.sql", entity=None)
            items = session.query("select * from open_items").to_dicts()
            assert Counter(of(item, LINE) for item in items) == Counter(
                of(line, LINE) for line in expected["open_items"]
            ), (run, day)
            hold_open_items(items, found["employee_accounts"])


def hold_open_items(items: Rows, accounts: Rows) -> None:
    """What is open adds up to the employees' accounts."""
    owed: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for item in items:
        owed[item["legal_entity"], item["employee"]] += item["owed"]
    balances = {(row["legal_entity"], row["employee"]): -row["third_party"] for row in accounts}
    assert {whose: amount for whose, amount in owed.items() if amount} == {
        whose: amount for whose, amount in balances.items() if amount
    }
