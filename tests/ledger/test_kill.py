"""A run killed at any moment leaves the ledger as it was or as it is after, and going on gives the same ledger."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import cache
from pathlib import Path

import pytest

from pipeline.ledger.check import check
from pipeline.ledger.dump import dump
from pipeline.ledger.store import Store
from tests.support import Company, Tables, advance, expense, order, reference, report, write

BATCHES: list[Tables] = [
    {"advances": [advance()], "expense_reports": [report()], "expenses": [expense()], "payment_orders": [order()]},
    {
        "expense_reports": [report(version="2", modified_on="2026-02-02"), report("R2"), report("R3", employee="E9")],
        "expenses": [expense(version="2", gross="90.00"), expense("R2"), expense("R3")],
        "payment_orders": [order("PO2", created_on="2026-02-28", cutoff_on="2026-02-28")],
    },
]

#: where a run is killed: `place` names a function, `before` or after its nth call
INJECTION = """
import os, signal, sys
import pipeline.ledger.store as store
from deltalake import DeltaTable

place, moment, call = sys.argv[1], sys.argv[2], int(sys.argv[3])
owner = {"write": store.Writer, "commit": store.Writer, "sweep": store.Writer, "_table": store.Writer,
         "create_write_transaction": DeltaTable, "_fsync_log": store, "_fsync": store}[place]
real, seen = getattr(owner, place), 0

def killed(*args, **kwargs):
    global seen
    seen += 1
    if moment == "before" and seen == call:
        os.kill(os.getpid(), signal.SIGKILL)
    result = real(*args, **kwargs)
    if moment == "after" and seen == call:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(owner, place, killed)
from pipeline.cli import main
main(sys.argv[4:])
"""

POINTS = [
    ("sweep", "after", 1),
    ("write", "before", 1),
    ("write", "after", 1),
    ("write", "after", 9),
    ("write", "before", 17),
    ("commit", "before", 1),
    ("_table", "before", 1),
    ("_table", "after", 1),
    ("create_write_transaction", "before", 1),
    ("create_write_transaction", "after", 1),
    ("_fsync_log", "after", 1),
    ("_fsync_log", "before", 2),
    ("_fsync", "before", 3),
    ("_fsync", "after", 30),
    ("commit", "after", 1),
]


AFTER = {("create_write_transaction", "after", 1), ("_fsync_log", "before", 2), ("commit", "after", 1)}


class Ledgers:
    """The ledger after each batch of a company, and what it dumps."""

    def __init__(self, home: Path, batches: list[Tables]) -> None:
        self.home = home
        self.batches = [write(home / f"batch-{number}", batch) for number, batch in enumerate(batches)]
        self.reference = write(home / "reference", reference())
        company = Company(home)
        self.dumps: list[dict[str, bytes] | None] = [None]
        self.stores: list[Path | None] = [None]
        for number in range(len(batches)):
            assert company.invoke(*self.arguments(number)).exit_code in (0, 3)
            self.stores.append(Path(shutil.copytree(company.store, home / f"store-{number + 1}")))
            self.dumps.append(dumped(company.store, home / "dump"))

    def arguments(self, number: int) -> list[str]:
        places = ["--reference", str(self.reference), "--batch", str(self.batches[number])]
        return ["run", *places, "--on", "2026-03-01"]

    def start_at(self, number: int, store: Path) -> None:
        """Makes the store that batch `number` comes to."""
        before = self.stores[number]
        if before is not None:
            shutil.copytree(before, store)


def dumped(store: Path, out: Path) -> dict[str, bytes] | None:
    """The bytes of a dump, run_times apart; None for a store without runs."""
    ledger = Store.open(store, create=True)
    if ledger.run == 0:
        return None
    assert check(ledger) == []
    dump(ledger, out)
    return {path.name: path.read_bytes() for path in out.iterdir() if path.stem != "run_times"}


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> Ledgers:
    return Ledgers(tmp_path_factory.mktemp("ledgers"), BATCHES)


def hold(ledgers: Ledgers, number: int, store: Path, out: Path) -> bool:
    """Holds a store to being before or after batch `number`; then goes on to the end. Returns whether it was in."""
    found = dumped(store, out)
    assert found in (ledgers.dumps[number], ledgers.dumps[number + 1])
    is_in = found == ledgers.dumps[number + 1]
    company = Company(store.parent)
    company.store = store
    for left in range(number + is_in, len(ledgers.batches)):
        assert company.invoke(*ledgers.arguments(left)).exit_code in (0, 3)
    assert dumped(store, out) == ledgers.dumps[-1]
    return is_in


@pytest.mark.parametrize("number", [pytest.param(0, marks=pytest.mark.slow), 1])
@pytest.mark.parametrize(("place", "moment", "call"), POINTS)
def test_killed_at_a_point(place: str, moment: str, call: int, number: int, ledgers: Ledgers, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ledgers.start_at(number, store)
    command = [
        sys.executable,
        "-c",
        INJECTION,
        place,
        moment,
        str(call),
        *ledgers.arguments(number),
        "--store",
        str(store),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    is_in = hold(ledgers, number, store, tmp_path / "out")
    assert is_in == ((place, moment, call) in AFTER)


@cache
def duration_of_a_run() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "pipeline.cli", "run", "--help"], capture_output=True, check=True)
    return time.monotonic() - began + 2.5


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_killed_at_a_random_moment(seed: int, ledgers: Ledgers, tmp_path: Path) -> None:
    number, store = seed % 2, tmp_path / "store"
    ledgers.start_at(number, store)
    command = [sys.executable, "-m", "pipeline.cli", *ledgers.arguments(number), "--store", str(store)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            process.wait(random.Random(seed).uniform(0.2, duration_of_a_run()))
        except subprocess.TimeoutExpired:
            process.kill()
    hold(ledgers, number, store, tmp_path / "out")


def test_a_reader_during_runs_sees_one_ledger(ledgers: Ledgers, tmp_path: Path) -> None:
    store, seen, done = tmp_path / "store", [], threading.Event()
    ledgers.start_at(1, store)

    def read() -> None:
        while True:
            is_last = done.is_set()
            seen.append(dumped(store, tmp_path / f"out-{len(seen)}"))
            if is_last:
                return

    reader = threading.Thread(target=read)
    reader.start()
    command = [sys.executable, "-m", "pipeline.cli", *ledgers.arguments(1), "--store", str(store)]
    subprocess.run(command, capture_output=True, check=False)
    done.set()
    reader.join()
    places = [ledgers.dumps.index(dump) for dump in seen]
    assert places[0] == 1
    assert places[-1] == 2
    assert places == sorted(places)


def test_a_run_on_a_full_disk_ends_with_a_sentence(ledgers: Ledgers, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ledgers.start_at(1, store)
    program = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); from pipeline.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", program, *ledgers.arguments(1), "--store", str(store)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot be written (" in done.stderr
    assert "Traceback" not in done.stderr
    assert not hold(ledgers, 1, store, tmp_path / "out")
