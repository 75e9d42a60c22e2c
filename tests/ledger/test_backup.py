"""Back-up and restore: a copy is the ledger of one commit, whatever goes on meanwhile and whenever it is killed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import ReplacedError
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


@pytest.mark.slow
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
    again = json.loads(ledger.invoke("backup", "--out", str(kept), "--json").stdout)
    assert again["files"] == 0
    assert {path.relative_to(kept).as_posix() for path in kept.glob("kind=*/*")} == named(kept), "nothing is left over"


@pytest.mark.slow
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


class KilledError(Exception):
    """In place of a kill."""


class Kill:
    """Counts what changes anything on a disk; the nth time nothing happens any more. at: n, 0 for never."""

    def __init__(self, at: int = 0) -> None:
        self.at, self.count = at, 0

    def during(self, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
        """Does something until it is killed."""
        with monkeypatch.context() as patched:
            for name in ("begin", "finish", "put", "durable", "remove"):
                patched.setattr(Disk, name, self._counted(getattr(Disk, name)))
            act()

    def _counted(self, real: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object, **named: object) -> object:
            self.count += 1
            if self.count == self.at:
                raise KilledError
            return real(*arguments, **named)

        return counted


def killed_at(share: int, monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], object], places: list[Path]) -> None:
    """Does something in the first place to count what it changes, then in the second, killed at so many hundredths."""
    counted = Kill()
    counted.during(monkeypatch, lambda: act(places[0]))
    with pytest.raises(KilledError):
        Kill(1 + share * (counted.count - 1) // 100).during(monkeypatch, lambda: act(places[1]))


@pytest.fixture(scope="module")
def grown(small_ledger: Company, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A ledger, a back-up of it, and the ledger after three runs and a compaction; the dumps of both."""
    home = tmp_path_factory.mktemp("grown")
    company = Company(home)
    shutil.copytree(small_ledger.store, company.store)
    company.runs = small_ledger.runs
    dumped(company.store, home / "before")
    assert company.invoke("backup", "--out", str(home / "kept")).exit_code == 0
    for number in range(20, 23):
        run_once_more(company, f"R{number}")
    compact(Store.open(company.store))
    run_once_more(company, "R23")
    dumped(company.store, home / "after")
    return {name: home / name for name in ("store", "kept")} | {
        "before": home / "before" / "dump",
        "after": home / "after" / "dump",
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    "share", [90, *(pytest.param(share, marks=pytest.mark.slow) for share in (*range(0, 100, 6), 100))]
)
def test_a_back_up_killed_in_between_is_the_earlier_one_or_whole(
    share: int, grown: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [tmp_path / "counted", tmp_path / "kept"]
    for place in places:
        shutil.copytree(grown["kept"], place)
    killed_at(share, monkeypatch, lambda at: copying.back_up(Store.open(grown["store"]), Disk(at)), places)
    kept = places[1]
    found = dumped(kept, tmp_path / "killed")
    assert found in (contents(grown["before"]), contents(grown["after"]))
    copying.back_up(Store.open(grown["store"]), Disk(kept))
    assert dumped(kept, tmp_path / "whole") == contents(grown["after"])


@pytest.mark.parametrize(
    "share", [80, *(pytest.param(share, marks=pytest.mark.slow) for share in (*range(3, 100, 6), 100))]
)
def test_a_restore_killed_in_between_is_no_ledger_or_the_whole_one(
    share: int, grown: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [tmp_path / "counted", tmp_path / "back"]
    killed_at(share, monkeypatch, lambda at: copying.restore(Store.open(grown["store"]), Disk(at)), places)
    back = places[1]
    assert any(back.rglob("*.json")), "what marks it as a copy comes first"
    company = Company(tmp_path)
    company.store = back
    if company.invoke("check").exit_code == 0:
        assert dumped(back, tmp_path / "killed") == contents(grown["after"])
    company.run(expect=(0, 1), expense_reports=[report("R30")], expenses=[expense("R30")])
    if company.exit_code == 0:
        assert dumped(back, tmp_path / "went-on").keys() == contents(grown["after"]).keys()
        assert Store.open(back).run == Store.open(grown["store"]).run + 1, "it was done but for what comes last"
        return
    copying.restore(Store.open(grown["store"]), Disk(back))
    assert dumped(back, tmp_path / "whole") == contents(grown["after"])


@pytest.mark.slow
def test_a_back_up_that_takes_longer_than_files_stay_goes_on_with_the_ledger_of_then(
    ledger: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = copying._copy_segment, []

    def meanwhile(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 3:
            run_once_more(ledger, "R20")
            compact(Store.open(ledger.store))
            for path in (ledger.store / "_delta_log").glob("*.json"):
                os.utime(path, (0, 0))
            run_once_more(ledger, "R21")
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(copying, "_copy_segment", meanwhile)
    reader = Store.open(ledger.store)
    assert ledger.invoke("backup", "--out", str(tmp_path / "kept")).exit_code == 0
    assert dumped(tmp_path / "kept", tmp_path / "copy") == dumped(ledger.store, tmp_path / "now")
    with pytest.raises(ReplacedError, match="a file was replaced while the ledger was read"):
        reader.verify()


def test_nobody_writes_to_a_back_up(ledger: Company, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    ledger.invoke("backup", "--out", str(kept))
    copy = Company(tmp_path)
    copy.store, copy.runs = kept, 3
    before = contents(kept / "_delta_log")
    said = copy.run(expect=(1,), expense_reports=[report("R30")], expenses=[expense("R30")])
    assert "this is a back-up" in said["error"]
    assert copy.invoke("compact").exit_code == 1
    assert contents(kept / "_delta_log") == before
    result = ledger.invoke("backup", "--out", str(ledger.store))
    assert result.exit_code == 2
    assert "this is the ledger itself" in result.stderr
    result = copy.invoke("backup", "--out", str(ledger.store))
    assert result.exit_code == 2, "a ledger is no back-up, though it be of the same log"


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


@pytest.mark.slow
def test_a_store_copied_with_plain_tools_between_runs_is_a_ledger(ledger: Company, tmp_path: Path) -> None:
    before = dumped(ledger.store, tmp_path / "before")
    shutil.copytree(ledger.store, tmp_path / "copy")
    shutil.rmtree(ledger.store)
    assert dumped(tmp_path / "copy", tmp_path / "copied") == before
    ledger.store = tmp_path / "copy"
    run_once_more(ledger, "R20")
    assert check(Store.open(ledger.store), with_chain=True) == []
