"""Back-up and restore: a copy is the ledger of one commit, whatever goes on meanwhile and whenever it is killed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.ledger import backup as copying
from pipeline.ledger.check import check
from pipeline.ledger.compact import compact
from pipeline.ledger.disk import Disk
from pipeline.ledger.store import Store
from tests.support import Company, expense, report


def dumped(store: Path, out: Path) -> dict[str, bytes]:
    company = Company(out)
    company.store = store
    assert check(Store.open(store), with_chain=True) == []
    assert company.invoke("dump", "--out", str(out / "dump")).exit_code == 0
    return {path.name: path.read_bytes() for path in (out / "dump").iterdir()}


def named(root: Path) -> set[str]:
    """The segments in force."""
    store = Store.open(root)
    return {segment.name for kind in store.kinds() for segment in store.segments(kind)}


def run_once_more(company: Company, name: str) -> None:
    company.run(expense_reports=[report(name)], expenses=[expense(name)])


def test_a_back_up_is_a_ledger_and_comes_back(ledger: Company, tmp_path: Path) -> None:
    before = dumped(ledger.store, tmp_path / "before")
    kept, back = tmp_path / "kept", tmp_path / "back"
    result = ledger.invoke("backup", "--out", str(kept))
    assert result.exit_code == 0, result.output
    assert "the ledger as of run 3: " in result.stdout
    assert dumped(kept, tmp_path / "of-the-copy") == before
    shutil.rmtree(ledger.store)
    assert ledger.invoke("restore", "--from", str(kept)).exit_code == 0
    assert dumped(ledger.store, tmp_path / "restored") == before
    run_once_more(ledger, "R20")
    assert check(Store.open(ledger.store), with_chain=True) == []
    other = Company(back)
    assert other.invoke("restore", "--from", str(kept), "--json").exit_code == 0
    assert dumped(other.store, tmp_path / "restored-elsewhere") == before


def test_made_again_it_brings_over_what_is_new_alone(ledger: Company, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    first = json.loads(ledger.invoke("backup", "--out", str(kept), "--json").stdout)
    old = named(ledger.store)
    run_once_more(ledger, "R20")
    second = json.loads(ledger.invoke("backup", "--out", str(kept), "--json").stdout)
    assert (first["run"], first["kept"], second["run"]) == (3, 0, 4)
    assert second["kept"] == len(old & named(ledger.store))
    assert second["files"] < first["files"]
    assert dumped(kept, tmp_path / "copy") == dumped(ledger.store, tmp_path / "ledger")
    compact(Store.open(ledger.store))
    ledger.invoke("backup", "--out", str(kept))
    assert dumped(kept, tmp_path / "merged") == dumped(ledger.store, tmp_path / "ledger-merged")
    assert {path.relative_to(kept).as_posix() for path in kept.glob("kind=*/*")} == named(kept), "nothing is left over"
    again = json.loads(ledger.invoke("backup", "--out", str(kept), "--json").stdout)
    assert again["files"] == 0


def test_a_run_in_the_middle_of_a_back_up_is_not_in_it(
    ledger: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dumped(ledger.store, tmp_path / "before")
    real = copying._copy_segment
    calls = []

    def meanwhile(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 3:
            run_once_more(ledger, "R20")
            compact(Store.open(ledger.store))
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(copying, "_copy_segment", meanwhile)
    assert ledger.invoke("backup", "--out", str(tmp_path / "kept")).exit_code == 0
    assert dumped(tmp_path / "kept", tmp_path / "copy") == before
    assert Store.open(ledger.store).run == 4


@pytest.mark.parametrize("call", [1, 5, 20, 25, 30])
def test_a_back_up_killed_in_between_is_an_earlier_one_and_is_gone_on_with(
    call: int, ledger: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    before = dumped(ledger.store, tmp_path / "before")
    ledger.invoke("backup", "--out", str(kept))
    for number in range(20, 23):
        run_once_more(ledger, f"R{number}")
    after = dumped(ledger.store, tmp_path / "after")
    real, calls = Disk.finish, []

    class KilledError(Exception):
        """In place of a kill."""

    def killed(self: Disk, path: Path, name: str) -> None:
        calls.append(name)
        if len(calls) == call:
            raise KilledError
        real(self, path, name)

    monkeypatch.setattr(Disk, "finish", killed)
    with pytest.raises(KilledError):
        copying.back_up(Store.open(ledger.store), Disk(kept))
    monkeypatch.undo()
    assert 3 <= Store.open(kept).run <= 6
    if Store.open(kept).run == 3:
        assert dumped(kept, tmp_path / "killed") == before
    assert check(Store.open(kept), with_chain=True) == []
    assert ledger.invoke("backup", "--out", str(kept)).exit_code == 0
    assert dumped(kept, tmp_path / "whole") == after


def test_another_ledger_is_not_written_over(ledger: Company, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Company(tmp_path / "other")
    run_once_more(other, "R1")
    result = ledger.invoke("backup", "--out", str(other.store))
    assert (result.exit_code, Store.open(other.store).run) == (2, 1)
    assert "what is here is no earlier back-up of this ledger" in result.stderr
    result = other.invoke("restore", "--from", str(ledger.store))
    assert result.exit_code == 2
    assert "there is a ledger here already" in result.stderr
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").touch()
    assert ledger.invoke("backup", "--out", str(tmp_path / "letters")).exit_code == 1


def test_a_back_up_that_was_changed_is_not_restored(ledger: Company, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    ledger.invoke("backup", "--out", str(kept))
    path = Path(Store.open(kept).files("payments")[0])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    other = Company(tmp_path / "other")
    result = other.invoke("restore", "--from", str(kept))
    assert result.exit_code == 1
    assert "this back-up is not what was written" in result.stderr
    assert path.name in result.stderr
    assert not list(tmp_path.glob("other/store/kind=*"))


def test_a_store_copied_with_plain_tools_between_runs_is_a_ledger(ledger: Company, tmp_path: Path) -> None:
    before = dumped(ledger.store, tmp_path / "before")
    shutil.copytree(ledger.store, tmp_path / "copy")
    shutil.rmtree(ledger.store)
    assert dumped(tmp_path / "copy", tmp_path / "copied") == before
    ledger.store = tmp_path / "copy"
    run_once_more(ledger, "R20")
    assert check(Store.open(ledger.store), with_chain=True) == []
