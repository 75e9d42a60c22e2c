"""A run that is cut into parts writes what it writes whole: the chain's digest is over every row of every kind."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline import run as pipeline_run
from pipeline import screen
from pipeline.errors import RunError, StoreBusyError, StoreError, UsageError
from pipeline.ledger.disk import Disk
from pipeline.ledger.store import Store, Written
from pipeline.partition import engines, taken
from pipeline.partition.cut import memory_bytes, parts_for
from pipeline.partition.part import Part, Posted, ToNumber, macros, number_part, post_part
from pipeline.sql import Session
from tests.properties.companies import Company, company, write
from tests.support import Company as Ledger
from tests.support import advance, expense, order, report

ON = date(2026, 6, 1)


def said(made: Company, folder: Path, **options: Any) -> list[dict[str, Any]]:
    """What each run of a company tells, the digest over all that it stored among it."""
    return [
        dataclasses.asdict(pipeline_run.run(reference, batch, folder / "store", on=ON, **options))
        for reference, batch in write(made, folder)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_any_number_of_parts_gives_the_same_rows(seed: int, tmp_path: Path) -> None:
    made = company(seed, 1 + seed % 2)
    whole = said(made, tmp_path / "whole", parts=1)
    assert said(made, tmp_path / "three", parts=3) == whole
    assert said(made, tmp_path / "eight", parts=8, threads=1) == whole


#: what a document, an order or an account of one part may have to do with another's
STORY: list[dict[str, list[dict[str, str]]]] = [
    {
        # R1 waits: nobody knows its expense type. Two rows name no document, one a report that is not there.
        "expense_reports": [report("R1"), report("R2", employee="E2"), report("R3", employee="E3", version="x")],
        "expenses": [
            expense("R1", expense_type="unheard_of"),
            expense("R2", expense="X2", gross="80.00"),
            expense("R3", expense="X3"),
            expense("R9", expense="X9"),
        ],
        "advances": [advance("A1"), advance("A2", employee="E2", amount="30.00")],
        "payment_orders": [order("PO1", created_on="2026-02-01", cutoff_on="2026-02-01"), order("PO2", status="odd")],
        "payment_exclusions": [
            {"payment_order": "PO1", "report": "", "employee": "E3"},
            {"payment_order": "PO7", "report": "R1", "employee": ""},
        ],
    },
    {
        # R1 turns out to be another employee's; the bank sends back one payment of PO1, and one that nobody made.
        "expense_reports": [report("R1", "2", employee="E2"), report("R4", employee="E1"), report("R3", employee="E1")],
        "expenses": [
            expense("R1", "2", gross="12.00"),
            expense("R4", expense="X4", gross="190.00", legal_entity="FR01"),
            expense("R3", expense="X3", gross="7.00"),
        ],
        "payment_returns": [
            {"payment_order": "PO1", "employee": "E2", "returned_on": "2026-02-10", "reason": "closed"},
            {"payment_order": "PO1", "employee": "E1", "returned_on": "2026-02-10", "reason": ""},
            {"payment_order": "PO1", "employee": "", "returned_on": "2026-02-10", "reason": ""},
        ],
        "payment_orders": [order("PO3", created_on="2026-02-20", cutoff_on="2026-02-20")],
    },
    {
        # R1 is posted for E2 and restated for E1; the order is taken back; E1's account has changed and pays again.
        "expense_reports": [report("R1", "3", employee="E1"), report("R4", "2", employee="E1", status="cancelled")],
        "expenses": [expense("R1", "3", gross="14.00")],
        "payment_orders": [
            order("PO3", "2", status="cancelled", created_on="2026-02-20", cutoff_on="2026-02-20"),
            order("PO4", created_on="2026-03-01", cutoff_on="2026-03-01"),
        ],
    },
    {"payment_orders": [order("PO5", created_on="2026-04-01", cutoff_on="2026-04-01")]},
]


def told(folder: Path, parts: int) -> list[dict[str, Any]]:
    """What each run of the story tells; before the last one the IBAN that left somebody out is mended."""
    ledger = Ledger(folder)
    ledger.reference["employees"][0]["iban"] = "FR00"
    runs = []
    for number, batch in enumerate(STORY, start=1):
        if number == len(STORY):
            ledger.reference["employees"][0]["iban"] = "FR1420041010050500013M02606"
        runs.append(ledger.run(on="2026-06-01", options=("--parts", str(parts)), **batch))
    ledger.check()
    return runs


@pytest.mark.slow
def test_what_ties_parts_together_is_known_to_each(tmp_path: Path) -> None:
    whole = told(tmp_path / "whole", 1)
    assert {finding["rule"] for run in whole for finding in run["findings"]} >= {
        "employee_changed", "invalid_iban", "malformed_value", "no_account", "orphan_row", "unknown_payment",
    }  # fmt: skip
    assert told(tmp_path / "five", 5) == whole
    assert told(tmp_path / "two", 2) == whole


def sent_back(payment_order: str, employee: str, returned_on: str = "2026-02-10") -> dict[str, str]:
    return {"payment_order": payment_order, "employee": employee, "returned_on": returned_on, "reason": ""}


#: E1 and E4 are of different parts where there are two
@pytest.mark.slow
@pytest.mark.parametrize(
    "batches",
    [
        # Without an order, what is wrong with a return tells it apart: one employee's replaces another's.
        [[sent_back("", "E1", "soon"), sent_back("", "E4", "soon")], [sent_back("", "E4", "soon")]],
        # The keys of two returns look alike.
        [[sent_back("A|B", "C"), sent_back("A", "B|C")], [sent_back("A", "B|C")]],
    ],
)
def test_returns_that_are_alike_are_told_apart_in_parts_too(
    batches: list[list[dict[str, str]]], tmp_path: Path
) -> None:
    whole, cut = (
        [ledger.run(payment_returns=batch, options=("--parts", parts)) for batch in batches]
        for ledger, parts in ((Ledger(tmp_path / "whole"), "1"), (Ledger(tmp_path / "cut"), "2"))
    )
    assert cut == whole


class Restless:
    """Takes every task twice, as an engine does whose worker was thought dead and was not."""

    workers, memory, threads = 1, None, 2

    def each(self, take: Any, tasks: Any) -> Any:
        """Gives what came of the second time."""
        for task in tasks:
            take(task)
            yield take(task)


def small(tmp_path: Path) -> tuple[Path, Path]:
    return write(company(3), tmp_path)[0]


def test_a_part_that_is_taken_twice_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, batch = small(tmp_path)
    whole = pipeline_run.run(reference, batch, tmp_path / "whole", on=ON, parts=1)
    monkeypatch.setattr("pipeline.partition.engines.Here", Restless)
    twice = pipeline_run.run(reference, batch, tmp_path / "twice", on=ON, parts=3)
    assert twice.chain_digest == whole.chain_digest
    assert not left_over(tmp_path / "twice")


def test_most_of_a_legal_entity_and_of_the_rows_may_be_one_employees(tmp_path: Path) -> None:
    batch = {
        "expense_reports": [
            *(report(f"R{number}") for number in range(40)),
            *(report(f"S{number}", employee="E2") for number in range(3)),
            report("T1", employee="E3"),
        ],
        "expenses": [
            *(expense(f"R{number}", expense=f"X{number}", gross=f"{number + 1}.10") for number in range(40)),
            *(expense(f"S{number}", expense=f"Y{number}") for number in range(3)),
            expense("T1", expense="Z1"),
        ],
        "advances": [advance("A1", amount="100.00")],
        "payment_orders": [order(created_on="2026-02-01", cutoff_on="2026-02-01")],
    }
    whole, cut = (
        Ledger(tmp_path / parts).run(on="2026-06-01", options=("--parts", parts), **batch) for parts in ("1", "4")
    )
    assert cut == whole
    assert sum(entry["lines"] for entry in whole["entries"]) > 100


def test_documents_that_tie_some_employees_leave_the_others_in_their_parts() -> None:
    with Session() as session:
        session.create("gathered_employees", "select 'E7' as employee")
        for statement in macros(4, has_gathered=True):
            session.con.execute(statement)
        names = "select 'E' || number as employee from range(100) as numbers (number)"
        parts = dict(session.con.execute(f"select employee, employee_part(employee) from ({names})").fetchall())
        assert parts["E7"] == 0
        assert {sum(part == number for part in parts.values()) > 10 for number in range(4)} == {True}


def test_what_this_process_cannot_hold_is_not_cut_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, batch = small(tmp_path)
    steps: list[str] = []

    def number(*_: Any) -> None:
        raise duckdb.OutOfMemoryException

    monkeypatch.setattr(taken, "give_numbers", number)
    with pytest.raises(RunError, match="memory does not hold what this process has to do of the run"):
        pipeline_run.run(reference, batch, tmp_path / "store", on=ON, parts=2, progress=steps.append)
    assert not [step for step in steps if "anew" in step]
    assert Store.open(tmp_path / "store", create=True).run == 0
    assert not left_over(tmp_path / "store")


@pytest.mark.parametrize("step", ["_take_whole", "_write"])
def test_a_run_that_memory_does_not_hold_whole_is_cut(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, batch = small(tmp_path)
    whole = pipeline_run.run(reference, batch, tmp_path / "whole", on=ON)
    take = getattr(pipeline_run, step)

    def fail_at_its_end(*given: Any, **named: Any) -> None:
        take(*given, **named)
        raise duckdb.OutOfMemoryException

    monkeypatch.setattr(pipeline_run, step, fail_at_its_end)
    made = pipeline_run.run(reference, batch, tmp_path / "store", on=ON)
    assert made.chain_digest == whole.chain_digest
    assert made.rows == whole.rows


def test_what_only_some_may_post_is_never_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, batch = small(tmp_path)

    def take(*_: Any, **__: Any) -> None:
        raise duckdb.OutOfMemoryException

    monkeypatch.setattr(pipeline_run, "_take_whole", take)
    with pytest.raises(RunError, match="memory does not hold what this process has to do of the run"):
        pipeline_run.run(reference, batch, tmp_path / "store", on=ON, only_entities=frozenset(["FR01"]))


@pytest.mark.parametrize(
    ("seen", "error", "said"),
    [
        (-1, StoreError, "version -1 of this ledger is seen where a part .* made on 0"),
        (1, StoreBusyError, "version -2 was read, now there is -1"),
    ],
)
def test_a_worker_that_sees_another_version_of_the_ledger_posts_nothing(
    seen: int, error: type[Exception], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, batch = small(tmp_path)

    def post(part: Part) -> Posted:
        return post_part(dataclasses.replace(part, ledger_version=part.ledger_version - seen))

    monkeypatch.setattr(taken, "post_part", post)
    with pytest.raises(error, match=said):
        pipeline_run.run(reference, batch, tmp_path / "store", on=ON, parts=2)


def test_a_segment_that_is_changed_before_it_is_committed_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, batch = small(tmp_path)

    def number(posted: ToNumber) -> list[tuple[str, Written]]:
        segments = number_part(posted)
        for _, segment in segments:
            (Path(posted.part.store) / segment.name).write_bytes(b"PAR1")
        return segments

    monkeypatch.setattr(taken, "number_part", number)
    with pytest.raises(StoreError, match="a segment that this run wrote is missing or was changed"):
        pipeline_run.run(reference, batch, tmp_path / "store", on=ON, parts=2)
    assert Store.open(tmp_path / "store", create=True).run == 0


def test_what_takes_parts_has_no_say_once_they_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, batch = small(tmp_path)

    @contextmanager
    def stuck(*_: object) -> Iterator[engines.Here]:
        yield engines.Here()
        message = "a worker does not end"
        raise OSError(message)

    monkeypatch.setattr(pipeline_run, "_engine", stuck)
    with pytest.raises(OSError, match="does not end"):
        pipeline_run.run(reference, batch, tmp_path / "store", on=ON, parts=2)
    assert Store.open(tmp_path / "store", create=True).run == 0


def test_a_part_has_the_threads_of_its_engine_or_those_that_were_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, batch = small(tmp_path)
    monkeypatch.setattr("pipeline.partition.engines.Here", Restless)

    def post(part: Part) -> Posted:
        raise RunError(f"threads: {part.threads}")

    monkeypatch.setattr(taken, "post_part", post)
    for asked, given in ((None, 2), (3, 3)):
        with pytest.raises(RunError, match=f"threads: {given}"):
            pipeline_run.run(reference, batch, tmp_path / str(given), on=ON, parts=2, threads=asked)


def left_over(store: Path) -> list[Path]:
    """The files that parts hand on to one another."""
    return list(store.glob("kind=_work/*"))


def test_where_no_lock_keeps_others_out_what_another_run_hands_on_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Disk, "has_lock", False)
    store = tmp_path / "store"

    def step(said: str) -> None:
        if said == "number":
            (store / "kind=_work" / "anothers.parquet").write_bytes(b"PAR1")

    reference, batch = small(tmp_path)
    pipeline_run.run(reference, batch, store, on=ON, parts=2, progress=step)
    assert [path.name for path in left_over(store)] == ["anothers.parquet"]


def test_ctrl_c_while_a_statement_is_at_work_ends_a_run_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: Any, **__: Any) -> None:
        message = "Query interrupted"  # as DuckDB says where Python would raise KeyboardInterrupt
        raise RuntimeError(message)

    monkeypatch.setattr(taken, "cut", cut)
    ledger = Ledger(tmp_path)
    told = ledger.run(expense_reports=[report()], expenses=[expense()], options=("--parts", "2"), expect=(1,))
    assert told["error"].strip() == "Aborted!"
    assert Store.open(ledger.store, create=True).run == 0


def test_a_terminal_shows_how_far_a_run_in_parts_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reference, batch = small(tmp_path)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with screen.progress("run") as step:
        pipeline_run.run(reference, batch, tmp_path / "store", on=ON, parts=2, progress=step)
    assert "run: " in capsys.readouterr().err
    steps = ["read", "cut", "post, part 1 of 2", "post, part 2 of 2", "number", "write, part 2 of 2", "commit"]
    assert [screen._reached(step) for step in steps] == [0, None, 3.5, 6, 6, 7, 7]


@pytest.mark.parametrize("step", ["post_part", pytest.param("number_part", marks=pytest.mark.slow)])
def test_parts_that_memory_does_not_hold_are_made_smaller(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, batch = small(tmp_path)
    whole = pipeline_run.run(reference, batch, tmp_path / "whole", on=ON, parts=1)
    take, counts = getattr(taken, step), []

    def fail_if_large(task: Part | ToNumber) -> Any:
        part = task.part if isinstance(task, ToNumber) else task
        counts.append(part.count)
        if part.count < 6:
            raise duckdb.OutOfMemoryException
        return take(task)

    monkeypatch.setattr(taken, step, fail_if_large)
    steps: list[str] = []
    made = pipeline_run.run(reference, batch, tmp_path / "store", on=ON, parts=3, progress=steps.append)
    assert made.chain_digest == whole.chain_digest
    assert counts == [3, *[6] * 6]
    assert "cut anew, into 6 parts: memory does not hold these" in steps
    assert not left_over(tmp_path / "store")


def test_a_part_that_no_memory_holds_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, batch = small(tmp_path)

    def post(_: Part) -> Posted:
        raise duckdb.OutOfMemoryException

    monkeypatch.setattr(taken, "post_part", post)
    with pytest.raises(RunError, match="memory does not hold a part of this run, however small"):
        pipeline_run.run(reference, batch, tmp_path / "store", on=ON, parts=2)
    assert Store.open(tmp_path / "store", create=True).run == 0
    assert not left_over(tmp_path / "store")


def test_what_a_part_hands_on_is_held_to_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, batch = small(tmp_path)

    def post(part: Part) -> Posted:
        piece = next(piece for pieces in part.rows.values() for piece in pieces)
        (Path(part.store) / piece.name).write_bytes(b"PAR1")
        return post_part(part)

    monkeypatch.setattr(taken, "post_part", post)
    with pytest.raises(RunError, match="a file that a part of this run wrote is missing or was changed"):
        pipeline_run.run(reference, batch, tmp_path / "store", on=ON, parts=2)


@pytest.mark.parametrize(
    ("rows", "memory", "workers", "parts"),
    [
        (1_000, 1 << 30, 1, 1),
        (1_000_000, 1_100_000_000, 1, 1),
        (10_000_000, 1_100_000_000, 1, 10),
        (1_000, 1 << 30, 8, 1),
        (200_000, 1 << 40, 2, 4),
        (100_000_000, 1 << 40, 4, 16),
    ],
)
def test_parts_are_as_many_as_memory_and_workers_ask_for(rows: int, memory: int, workers: int, parts: int) -> None:
    assert parts_for(rows, memory=memory, workers=workers) == parts


@pytest.mark.parametrize(
    ("text", "amount"),
    [("2GB", 2 * 10**9), ("1.5 GiB", 3 << 29), ("512mb", 512 * 10**6), ("1TiB", 1 << 40), ("3g", 3 * 10**9)],
)
def test_an_amount_of_memory_is_what_duckdb_takes_it_for(text: str, amount: int) -> None:
    assert memory_bytes(text) == amount


def test_a_worker_of_another_version_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, batch = small(tmp_path)

    def post(part: Part) -> Posted:
        return post_part(dataclasses.replace(part, software="lettrage 0.0.1, duckdb 2.0.0, polars 2.1.0"))

    monkeypatch.setattr(taken, "post_part", post)
    with pytest.raises(
        UsageError, match=r"a worker of the cluster has lettrage .*, and the run is of lettrage 0\.0\.1"
    ):
        pipeline_run.run(reference, batch, tmp_path / "store", on=ON, parts=2)


def test_the_memory_of_a_container_is_what_it_may_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(engines, "_CONTAINER_LIMITS", (tmp_path / "not there", limit))
    limit.write_text("max\n")
    machine = engines.machine_memory()
    limit.write_text(f"{1 << 30}\n")
    assert machine > engines.machine_memory() == memory_bytes("100%") == 1 << 30
