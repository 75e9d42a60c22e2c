"""A small company whose ledger is tortured: its commands, and what the ledger is after any sequence of them.

What the ledger is, is what a reader sees of it: the bytes of every table that `lettrage dump` writes (but for the
times that runs took) and the list of exports. It is looked at by `Store.open`, `check` and `dump`, never by a file.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.cli import main
from pipeline.errors import LettrageError
from pipeline.exports.export import exports
from pipeline.ledger.check import check
from pipeline.ledger.dump import dump
from pipeline.ledger.store import Store
from schemas import STORED
from tests.support import Tables, advance, allocation, expense, order, reference, report, rows, tax, write

if TYPE_CHECKING:
    from tests.torture.commands import Commands, Done

#: what a reader sees of a ledger, by table; None where there is no run yet
Seen = dict[str, bytes] | None

#: tables of a dump that two runs of the same never have in common
_OF_THE_CLOCK = {"run_times"}

BATCHES: dict[str, Tables] = {
    "first": {
        "advances": [advance()],
        "expense_reports": [report()],
        "expenses": [expense()],
        "payment_orders": [order()],
    },
    "second": {
        "expense_reports": [report(version="2", modified_on="2026-02-02"), report("R2"), report("R3", employee="E9")],
        "expenses": [expense(version="2", gross="90.00"), expense("R2"), expense("R3")],
        "payment_orders": [order("PO2", created_on="2026-02-28", cutoff_on="2026-02-28")],
    },
    # An axis that no line bore before: the table gets a column.
    "axis": {
        "expense_reports": [report("R4", employee="E2", declared_on="2026-02-12")],
        "expenses": [expense("R4", legal_entity="FR01")],
        "expense_taxes": [tax(report="R4")],
        "allocations": [allocation(report="R4", axis="activity", section="A1")],
    },
    "other": {
        "advances": [advance("A7", employee="E2", amount="75.00")],
        "expense_reports": [report("R7", employee="E2", declared_on="2026-02-20")],
        "expenses": [expense("R7", legal_entity="FR01", gross="61.20", expense_type="meal")],
    },
    "third": {
        "expense_reports": [report("R8", declared_on="2026-02-21")],
        "expenses": [expense("R8", gross="18.00"), expense("R8", expense="X2", payment_method="card")],
        "payment_orders": [order("PO8", created_on="2026-02-27", cutoff_on="2026-02-27")],
    },
}
#: the steps that are tortured, and those that come before each: a first run, one that makes two commits, one that adds
#: the column of an axis, an export with its record
STORIES: dict[str, tuple[str, ...]] = {
    "first": (),
    "second": ("first",),
    "axis": ("first", "second"),
    "export": ("first", "second"),
}
if "compact" in main.commands:
    STORIES["compact"] = ("first", "second", "axis", "other")
READERS = ["dump", "status", "preview", "exports"]
EXPORT = ["--format", "csv", "--entity", "FR01", "--from", "2026-01-01", "--through", "2026-03-31"]


def _reference() -> Tables:
    tables = reference()
    tables["axes"] += rows("""
        axis     name     parent_axis required
        activity Activity -           false
    """)
    tables["sections"] += rows("""
        axis     section name parent_section active_from active_to
        activity A1      One  -              -           -
    """)
    return tables


class Violation(Exception):  # noqa: N818 - the word of the invariants
    """Something that must never be, in a sentence. is_doubled: there is more than there should be; else less."""

    is_doubled = False


@dataclass(frozen=True)
class State:
    """The ledger after a sequence of steps: a store nobody touches, and what is seen of it."""

    store: Path | None
    seen: Seen


class World:
    """The company's tables on disk, and its ledgers, each made once and kept. home: a directory of its own."""

    def __init__(self, home: Path, commands: Commands) -> None:
        self.home = home
        self.commands = commands
        self._batches = {name: write(home / f"batch-{name}", batch) for name, batch in BATCHES.items()}
        self._reference = write(home / "reference", _reference())
        self._states: dict[tuple[str, ...], State] = {(): State(None, None)}
        self._seen: dict[bytes, Seen] = {}
        self._answers: dict[tuple[tuple[str, ...], str], Any] = {}

    def arguments(self, step: str, store: Path) -> list[str | Path]:
        """The command that a step is, on a store: `export` writes beside it, into `files`."""
        if step == "export":
            return ["export", *EXPORT, "--on", "2026-03-01", "--out", store.parent / "files", "--store", store]
        if step == "compact":
            return ["compact", "--store", store]
        places = ["--reference", self._reference, "--batch", self._batches[step], "--store", store]
        return ["run", *places, "--on", "2026-03-01", "--json"]

    def after(self, steps: tuple[str, ...]) -> State:
        """The ledger after these steps, one after the other, none of them interrupted."""
        if steps not in self._states:
            before = self.after(steps[:-1])
            home = self.home / "-".join(steps)
            store = self.place(before, home)
            done = self.commands.run(*self.arguments(steps[-1], store))
            if not done.ended_well:
                raise Violation(f"{steps}: {done.err}")
            self._states[steps] = State(store, self.see(store))
        return self._states[steps]

    @staticmethod
    def place(state: State, home: Path) -> Path:
        """Puts a copy of a ledger into a directory; returns where the store is, or will be."""
        home.mkdir(parents=True, exist_ok=True)
        store = home / "store"
        if state.store is not None:
            shutil.copytree(state.store, store)
            files = state.store.parent / "files"
            if files.is_dir():
                shutil.copytree(files, home / "files")
        return store

    def see(self, store: Path, *, is_checked: bool = True) -> Seen:
        """What a reader sees, held to the invariants. Raises: Violation, LettrageError.

        It is looked at once where all files are the same, but for segments that the ledger does not name.
        """
        ledger = Store.open(store, create=True)
        if ledger.run == 0:
            return None
        named = {Path(path).name for kind in STORED for path in ledger.files(kind)}
        read = hashlib.sha256(repr((is_checked, ledger.run, sorted(named))).encode())
        for path in sorted(store.rglob("*")):
            if path.is_file() and (
                path.parent.parent != store or path.parent.name[:5] != "kind=" or path.name in named
            ):
                read.update(repr((path.relative_to(store).as_posix(), path.read_bytes())).encode())
        if read.digest() not in self._seen:
            self._seen[read.digest()] = self._look(store, ledger, is_checked=is_checked)
        return self._seen[read.digest()]

    def _look(self, store: Path, ledger: Store, *, is_checked: bool) -> Seen:
        if is_checked:
            broken = check(ledger)
            if broken:
                raise Violation(f"check: {broken[0]}")
        out = store.parent / "dumped"
        try:
            dump(ledger, out)
            seen = read_dump(out)
        finally:
            shutil.rmtree(out, ignore_errors=True)
        seen["exports"] = json.dumps(exports(ledger).to_dicts(), default=str).encode()
        taken = [pl.read_parquet(path) for path in sorted(map(str, ledger.files("export_entries")))]
        seen["export_entries"] = pl.concat(taken).sort(pl.all()).write_csv().encode() if taken else b""
        return seen

    def answer(self, steps: tuple[str, ...], reader: str) -> Any:
        """What a reader says of the ledger after these steps."""
        if (steps, reader) not in self._answers:
            store = self.after(steps).store
            assert store is not None
            self._answers[steps, reader] = self.ask(store, reader)[1]
        return self._answers[steps, reader]

    def ask(self, store: Path, reader: str, *, powerless: bool = False) -> tuple[Done, Any]:
        """Has a reader read a ledger: `dump`, `status`, `preview` or `exports`; how it ended, and its answer."""
        if reader == "dump":
            with tempfile.TemporaryDirectory(dir=self.home) as folder:
                done = self.commands.run("dump", "--store", store, "--out", Path(folder) / "out", powerless=powerless)
                return done, read_dump(Path(folder) / "out") if done.ended_well else None
        more = {"preview": ["export", *EXPORT, "--preview"]}.get(reader, [reader])
        done = self.commands.run(*more, "--store", store, "--json", powerless=powerless)
        return done, json.loads(done.out) if done.ended_well else None

    def has_happened(self, store: Path, before: tuple[str, ...], step: str) -> bool:
        """Holds a ledger to being the one before a step or the one after it; returns which. Raises: Violation."""
        try:
            seen = self.see(store)
        except LettrageError as error:
            raise Violation(f"{step} after {before}: {error}") from error
        if seen == self.after((*before, step)).seen:
            return True
        if seen == self.after(before).seen:
            return False
        violation = Violation(f"{step} after {before}: the ledger is neither the one before nor the one after")
        violation.is_doubled = line_count(seen) > line_count(self.after((*before, step)).seen)
        raise violation

    def finish(self, store: Path, done: tuple[str, ...], step: str, *, is_in: bool, then: tuple[str, ...] = ()) -> None:
        """Does a step that was interrupted, where it is not in, and those after it; holds as `go_on`.

        A compaction is done again in any case: no reader sees whether it is in.
        """
        is_in = is_in and step != "compact"
        self.go_on(store, (*done, step) if is_in else done, then if is_in else (step, *then))

    def go_on(self, store: Path, done: tuple[str, ...], steps: tuple[str, ...]) -> None:
        """Does what is left of the steps and holds the ledger to being what it would have been. Raises: Violation."""
        for step in steps:
            ended = self.commands.run(*self.arguments(step, store))
            if not ended.ended_well:
                raise Violation(f"{step} after {done}: exit {ended.code}, {ended.err}")
        try:
            seen = self.see(store)
        except LettrageError as error:
            raise Violation(f"going on from {done}: {error}") from error
        if seen != self.after((*done, *steps)).seen:
            raise Violation(f"going on from {done} by {steps} gives another ledger than doing so at once")


def is_a_sentence(done: Done) -> bool:
    """Whether a command that failed did so as it should: exit 1, told in a sentence, no traceback."""
    return done.code == 1 and "lettrage: " in done.err and "Traceback" not in done.err and "panicked" not in done.err


def line_count(seen: Seen) -> int:
    """How many entry lines there are."""
    return 0 if seen is None else pl.read_parquet(seen["entry_lines.parquet"]).height


def read_dump(out: Path) -> dict[str, bytes]:
    """The bytes of a dump, by name."""
    return {path.name: path.read_bytes() for path in out.iterdir() if path.stem not in _OF_THE_CLOCK}


def tree(store: Path) -> dict[str, bytes]:
    """The files of a directory by name, relative to it."""
    return {
        path.relative_to(store).as_posix(): path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file()
    }
