"""Versions of the reference: written whole or not at all, read whole, kept, and gone back to."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from pipeline.errors import InputError, RunError, StoreBusyError, UsageError
from pipeline.masterdata import versions
from pipeline.masterdata.sync import rollback, shown
from pipeline.masterdata.versions import history, locked
from pipeline.stage import reference as reading
from pipeline.stage.reference import read_reference
from tests.masterdata.support import ON, brought, changed, company, drop, row, table
from tests.support import Company, allocation, expense, report, write

NINE = "axis section name\nclient C9 Nine"


class Killed(BaseException):
    """The process ends here."""


class Faults:
    """Counts what touches the disk, and has the nth of it fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failure: Callable[[], BaseException]) -> None:
        self.steps: list[str] = []
        self.steps_taken = self.steps
        self.at = 0
        self._failure = failure
        for name in ("fsync", "rename", "replace", "mkdir"):
            monkeypatch.setattr(os, name, self._counted(name, getattr(os, name)))

    def _counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*given: Any, **more: Any) -> Any:
            if threading.current_thread() is threading.main_thread():
                self.steps.append(name)
                if len(self.steps) == self.at:
                    raise self._failure()
            return real(*given, **more)

        return step

    def next_try(self, at: int) -> None:
        self.steps_taken, self.steps, self.at = self.steps, [], at


def state(home: Path) -> bytes:
    """What a run would read."""
    tables = read_reference(home / "reference")
    return b"".join(frame.sort(frame.columns).write_csv().encode() for frame in tables.values())


def tried(home: Path, given: Path, faults: Faults, at: int, failure: type[BaseException]) -> bool:
    """Syncs with a failure at a step; whether there was such a step."""
    before = state(home)
    faults.next_try(at)
    try:
        brought(home, given, error_files=False)
    except failure:
        faults.next_try(0)
        after = state(home)
        assert after == before or b"C9" in after
        assert b"C9" not in after or len(history(home / "reference")) == 2
        return True
    faults.next_try(0)
    return False


@pytest.mark.slow
@pytest.mark.parametrize("is_versioned", [False, True])
def test_killed_at_any_step_it_is_the_version_before_or_after(
    is_versioned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = company(tmp_path, is_plain=not is_versioned).parent
    given = drop(tmp_path, sections=NINE)
    shutil.copytree(home / "reference", tmp_path / "kept")
    faults = Faults(monkeypatch, Killed)
    at = 0
    while True:
        at += 1
        shutil.rmtree(home / "reference")
        shutil.copytree(tmp_path / "kept", home / "reference")
        faults.next_try(0)
        if not tried(home, given, faults, at, Killed):
            break
        # What was left unfinished is in nobody's way.
        assert brought(home, given).state in ("applied", "unchanged")
        assert row(home, "sections", section="C9")["name"] == "Nine"
        assert not [path for path in (home / "reference/versions").iterdir() if path.name.startswith(".")]
        numbers = sorted(int(path.name) for path in (home / "reference/versions").iterdir())
        assert numbers == list(range(1, len(numbers) + 1))
    assert at > 20


@pytest.mark.slow
def test_killed_in_the_last_steps_it_is_the_version_before_or_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = company(tmp_path, is_plain=True).parent
    given = drop(tmp_path, sections=NINE)
    shutil.copytree(home / "reference", tmp_path / "kept")
    faults = Faults(monkeypatch, Killed)
    assert not tried(home, given, faults, -1, Killed)
    steps = faults.steps_taken
    assert steps[-5:] == ["rename", "fsync", "fsync", "replace", "fsync"]
    for before_end, is_after in ((0, True), (1, False), (4, False)):
        shutil.rmtree(home / "reference")
        shutil.copytree(tmp_path / "kept", home / "reference")
        assert tried(home, given, faults, len(steps) - before_end, Killed)
        assert ("C9" in table(home, "sections")["section"].to_list()) == is_after
    assert brought(home, given).state == "applied"


def test_a_disk_that_is_full_leaves_the_version_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = company(tmp_path).parent
    faults = Faults(monkeypatch, lambda: OSError(errno.ENOSPC, "No space left on device"))
    given = drop(tmp_path, sections=NINE)
    faults.next_try(12)
    with pytest.raises(RunError, match="the next version could not be written") as caught:
        brought(home, given, error_files=False)
    assert caught.value.exit_code == 1
    faults.next_try(0)
    assert len(history(home / "reference")) == 1
    assert brought(home, given).version == 2


@pytest.mark.slow
def test_back_to_an_old_version_gives_its_tables_byte_for_byte_as_a_new_one(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    folder = home / "reference" / "versions"
    brought(home, drop(tmp_path, "one", sections=NINE))
    brought(home, drop(tmp_path, "two", employees="employee department\nE1 law"))
    kept = {path: path.read_bytes() for path in folder.rglob("*.csv")}
    result = rollback(home / "reference", 1, on=ON, who="ada")
    assert (result.state, result.version) == ("applied", 4)
    assert changed(result) == [
        ("employees", "E1", "changed", "department", "law", "sales"),
        ("sections", "client|C9", "removed", "", "Nine", ""),
    ]
    first, fourth = (
        {path.name: path.read_bytes() for path in (folder / name).glob("*.csv")} for name in ("000001", "000004")
    )
    assert first == fourth
    assert {path: path.read_bytes() for path in kept} == kept, "no version is changed"
    assert [(one["version"], one["made_by"]) for one in history(home / "reference")] == [
        (1, "start"),
        (2, "sync"),
        (3, "sync"),
        (4, "rollback"),
    ]
    assert rollback(home / "reference", 3, on=ON).version == 5
    assert row(home, "employees", employee="E1")["department"] == "law"
    assert changed(shown(home / "reference", 2)) == [("sections", "client|C9", "added", "", "", "Nine")]


def test_there_is_no_way_back_to_a_version_that_is_not_there(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    for number in (0, 2, 99):
        with pytest.raises(UsageError, match=f"there is no version {number}"):
            rollback(home / "reference", number, on=ON)


@pytest.mark.slow
def test_where_the_pointer_was_put_back_by_hand_no_version_is_lost(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    for name in ("C7", "C8", "C9"):
        brought(home, drop(tmp_path, name, sections=f"axis section name\nclient {name} New"))
    (home / "reference" / "current").write_text("000002\n")
    assert [one["version"] for one in history(home / "reference")] == [1, 2]
    assert brought(home, drop(tmp_path, sections="axis section name\nclient C6 New")).version == 5
    assert [one["version"] for one in history(home / "reference")] == [1, 2, 5]
    assert changed(shown(home / "reference", 5)) == [("sections", "client|C6", "added", "", "", "New")]
    shutil.rmtree(home / "reference" / "versions" / "000001")
    assert [one["version"] for one in history(home / "reference")] == [2, 5]
    assert rollback(home / "reference", 4, on=ON).version == 6
    assert row(home, "sections", section="C9")["name"] == "New"


def test_a_version_says_where_it_came_from(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    result = brought(home, drop(tmp_path, sections=NINE), source_name="erp/monday", who="ada")
    (_, about) = history(home / "reference")
    assert (about["source"], about["mode"], about["on"], about["who"]) == ("erp/monday", "changes", "2026-03-10", "ada")
    assert about["digest"] == result.digest
    assert about["counts"] == result.counts


@pytest.mark.slow
def test_two_syncs_at_once_come_one_after_the_other(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    drops = [drop(tmp_path, f"d{number}", sections=f"axis section name\nclient N{number} New") for number in range(4)]
    threads = [threading.Thread(target=brought, args=(home, given)) for given in drops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {f"N{number}" for number in range(4)} <= set(table(home, "sections")["section"])
    assert [one["version"] for one in history(home / "reference")] == [1, 2, 3, 4, 5]


def test_a_sync_that_waits_too_long_says_so(tmp_path: Path) -> None:
    with (
        FileLock(tmp_path / ".lock"),
        pytest.raises(StoreBusyError, match="another sync is writing this reference"),
        locked(tmp_path, wait=0.05),
    ):
        pass


@pytest.mark.slow
def test_a_run_reads_one_version_whole_though_a_sync_lands_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = company(tmp_path).parent
    brought(home, drop(tmp_path, "one", sections=NINE))
    real = reading.read_tables
    landed = []

    def read_slowly(*given: Any, **more: Any) -> Any:
        if not landed:
            landed.append(True)
            brought(
                home,
                drop(tmp_path, "two", sections="axis section name\nclient C9 Other", employees="employee name\nE1 A"),
            )
        return real(*given, **more)

    monkeypatch.setattr(reading, "read_tables", read_slowly)
    tables = read_reference(home / "reference")
    assert tables["sections"].filter(section="C9")["name"].to_list() == ["Nine"]
    assert row(home, "sections", section="C9")["name"] == "Other"


def test_a_pointer_that_names_no_version_is_said(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    for named in ("", "7", "000007", "../../etc", "1" * 400):
        (home / "reference" / "current").write_text(named)
        with pytest.raises(InputError, match="there is no version"):
            read_reference(home / "reference")


def test_tables_beside_the_versions_are_said_to_be_ignored(tmp_path: Path) -> None:
    home = company(tmp_path, is_plain=True).parent
    brought(home, drop(tmp_path, sections=NINE))
    notes: list[str] = []
    read_reference(home / "reference", notes)
    assert "what is read is version 2" in notes[0]


def test_what_cannot_be_read_back_never_comes_into_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = company(tmp_path, is_plain=True).parent
    real = versions._write_tables

    def broken(folder: Path, tables: Any) -> None:
        real(folder, tables)
        (folder / "axes.csv").write_text("axis,name,required\nclient,Client,false\nclient,Client,false\n")

    monkeypatch.setattr(versions, "_write_tables", broken)
    with pytest.raises(Exception, match="this key stands 2 times"):
        brought(home, drop(tmp_path, sections=NINE))
    assert history(home / "reference") == []


@pytest.mark.slow
def test_a_ledger_run_reads_the_version_in_force(tmp_path: Path) -> None:
    company(tmp_path)
    books = Company(tmp_path)
    batch = write(
        tmp_path / "batch",
        {
            "expense_reports": [report()],
            "expenses": [expense()],
            "allocations": [allocation(axis="client", section="C9")],
        },
    )

    def run() -> dict[str, Any]:
        given = ["--reference", str(tmp_path / "reference"), "--batch", str(batch), "--on", "2026-03-10", "--json"]
        return json.loads(books.invoke("run", *given).stdout)

    assert [finding["rule"] for finding in run()["findings"]] == ["unknown_section"]
    brought(tmp_path, drop(tmp_path, sections=NINE))
    assert run()["entries"][0]["entries"] == 1
    books.check()


@pytest.mark.parametrize("text", ["", "garbage", "[]", '{"made_by": "sync"}', "\x00\x01"])
def test_a_version_whose_story_was_changed_by_hand_is_said(text: str, tmp_path: Path) -> None:
    home = company(tmp_path).parent
    path = home / "reference" / "versions" / "000001" / "about.json"
    path.write_text(text)
    with pytest.raises(InputError, match="what the version says of itself cannot be read"):
        history(home / "reference")
    path.write_text('{"follows": null, "made_by": "start", "made_at": "2026-01-31"}')
    assert len(history(home / "reference")) == 1
    # A sync needs the tables alone.
    path.write_text(text)
    assert brought(home, drop(tmp_path, sections=NINE)).version == 2
