"""Where a ledger may be: any name of a directory works or is refused; nothing is written into a ledger by the way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest
from click.testing import CliRunner
from polars.testing import assert_frame_equal

from pipeline.cli import Memory, main
from pipeline.errors import StoreError
from pipeline.ledger import compact
from pipeline.ledger.disk import Disk
from pipeline.ledger.place import refuse_inside_store
from pipeline.ledger.reading import rows_of_files
from pipeline.ledger.store import Store
from pipeline.sql import Session
from tests.support import Company, expense, report

#: all that is special to somebody
ALL = "p q#h?m'd\"é{b,c}a:b+%;&=$~![1]*"
#: what is special, one by one
EACH = ["p q", "h#a", "q?m", "d'q", 'd"q', "é", "a[1]", "[!a]", "[[]", "{b,c}", "a:b", "s*r", "**", "%", "50%", "~"]
UNUSABLE = ["p%20q", "back\\slash", "a%2Fb", "new\nline", "tab\t", "\udce9"]


def invoke(*arguments: object) -> tuple[int, str]:
    """The exit code of a command, and all that it says."""
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def use_everything(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """Posts into a ledger of three runs, merges it, and reads it in every way before and after."""
    monkeypatch.setattr(compact, "WORTH", 2)
    company.run(expense_reports=[report("R4")], expenses=[expense("R4")])
    company.check()
    assert '"as_of_run": 4' in company.invoke("status", "--json").output
    before = company.dump()
    assert "R4" in before["documents"]["document"].to_list()
    assert "files, now" in company.invoke("compact").output
    company.check()
    assert_frame_equal(company.dump()["entry_lines"], before["entry_lines"])
    for option, name in (("--out", "views.sql"), ("--duckdb", "views.duckdb")):
        written = company.invoke("views", option, str(company.directory / name))
        assert written.exit_code == 0, written.output
    with duckdb.connect() as con:
        con.execute((company.directory / "views.sql").read_text(encoding="utf-8"))
        (count,) = con.execute("select count(*) from entry_lines").fetchall()[0]
    assert count == before["entry_lines"].height


def placed(small_ledger: Company, home: Path, name: str) -> Company:
    """A copy of the small ledger under a name."""
    company = Company(home / "plain")
    company.store = home / name
    shutil.copytree(small_ledger.store, company.store)
    company.runs = 3
    return company


def test_a_ledger_works_in_a_directory_of_any_name(
    small_ledger: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_everything(placed(small_ledger, tmp_path, ALL), monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("name", EACH)
def test_a_ledger_works_in_a_directory_of_each_name(
    name: str, small_ledger: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in ("a", "a1", "b", "qxm", "sxr", "x"):  # what a pattern would take for it
        shutil.copytree(small_ledger.store, tmp_path / other)
    use_everything(placed(small_ledger, tmp_path, name), monkeypatch)


@pytest.mark.parametrize("name", ["a[1]", "[!b]1", "?1", "*"])
def test_a_name_is_no_pattern_that_another_name_matches(name: str, tmp_path: Path) -> None:
    paths = [tmp_path / folder / "x.parquet" for folder in (name, "a1")]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        pl.DataFrame({"run": [number]}).write_parquet(path)
    with Session([paths[0].parent]) as session:
        assert session.query(rows_of_files("runs", [str(paths[0])]))["run"].to_list() == [0]


def test_a_first_run_makes_a_ledger_and_reads_parquet_files_under_any_name(tmp_path: Path) -> None:
    company = Company(tmp_path / ALL)
    for name, rows in (("expense_reports", [report()]), ("expenses", [expense()])):
        (company.directory / "run-1" / "batch").mkdir(parents=True, exist_ok=True)
        pl.DataFrame(rows).write_parquet(company.directory / "run-1" / "batch" / f"{name}.parquet")
    company.run()
    company.directory = tmp_path
    assert company.table("documents")["document"].to_list() == ["R1"]


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_path_that_the_log_cannot_be_opened_under_is_refused_and_nothing_is_written(
    name: str, tmp_path: Path
) -> None:
    company = Company(tmp_path)
    company.store = tmp_path / name / "store"
    said = company.run(expect=(2,), expense_reports=[report()], expenses=[expense()])
    assert "no ledger can be under a path with" in said["error"]
    assert "name a directory whose path" in said["error"]
    assert [path.name for path in tmp_path.iterdir()] == ["run-1"]


def test_a_link_back_and_a_folder_that_cannot_be_read_do_no_harm(
    ledger: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ledger.store / "self").symlink_to(".")
    (ledger.store / "kind=runs" / "self").symlink_to("..")
    (ledger.store / "round").symlink_to("round")
    (ledger.store / "lost+found").mkdir()
    looked_into: list[str] = []
    real = os.scandir

    def noted(path: Path) -> Iterator[os.DirEntry[str]]:
        looked_into.append(path.name)
        return real(path)

    monkeypatch.setattr(os, "scandir", noted)
    names = Disk(ledger.store).sizes()
    monkeypatch.undo()
    assert {name for name in looked_into if not name.startswith("kind=")} == {"store", "_delta_log"}
    assert {name for name in names if name.endswith("/")} == {"self/", "lost+found/"}
    ledger.run(expense_reports=[report("R4")], expenses=[expense("R4")])
    ledger.check()
    assert (ledger.store / "lost+found").is_dir()
    assert (ledger.store / "self").is_symlink()


def test_the_log_is_listed_before_the_kinds(ledger: Company) -> None:
    folders = [name.partition("/")[0] for name in Disk(ledger.store).sizes() if "/" in name]
    assert folders[0] == "_delta_log"
    assert folders == sorted(folders)


def test_a_place_that_holds_a_folder_alone_is_no_ledger_and_no_new_one(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(StoreError, match="holds other files and no ledger"):
        Store.open(tmp_path, create=True)


def test_a_database_is_refused_under_a_path_that_duckdb_cuts_in_two(small_ledger: Company, tmp_path: Path) -> None:
    code, said = invoke("views", "--duckdb", tmp_path / "q?m" / "x.duckdb", "--store", small_ledger.store)
    assert code == 2
    assert "DuckDB writes no database under a path with ? in it" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("inside", ["", "out", "kind=runs", "kind=runs/deep/x", "_delta_log"])
@pytest.mark.parametrize(
    "command",
    [
        ["dump", "--out"],
        ["views", "--out"],
        ["views", "--duckdb"],
        ["export", "--format", "fec", "--entity", "FR01", "--out"],
    ],
    ids=" ".join,
)
def test_nothing_is_written_into_a_ledger(command: list[str], inside: str, small_ledger: Company) -> None:
    out = small_ledger.store / inside / ("x.sql" if command[0] == "views" else "")
    before = sorted(small_ledger.store.rglob("*"))
    code, said = invoke(*command, out, "--store", small_ledger.store)
    assert code == 2
    assert "this is inside a ledger" in said
    assert "name a place outside of it" in said
    assert sorted(small_ledger.store.rglob("*")) == before


def test_nothing_is_written_into_another_ledger_by_a_link(ledger: Company, small_ledger: Company) -> None:
    link = ledger.directory / "link"
    link.symlink_to(small_ledger.store)
    code, said = invoke("dump", "--out", link / "out", "--store", ledger.store)
    assert (code, str(small_ledger.store) in said) == (2, True)
    refuse_inside_store(ledger.directory / "beside")


@pytest.mark.parametrize("command", ["run", "compact"])
@pytest.mark.parametrize("amount", ["lots", "", "0GB", "-1GB", "100", "2XB", "9999999999TB"])
def test_an_amount_of_memory_that_is_none_is_wrong_usage(command: str, amount: str, tmp_path: Path) -> None:
    tables = ("--reference", tmp_path, "--batch", tmp_path) if command == "run" else ()
    code, said = invoke(command, *tables, "--store", tmp_path / "store", "--memory-limit", amount)
    assert code == 2
    assert f"{amount!r} is no amount of memory: write it as 2GB or 512MB" in said
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("amount", ["2GB", "1.5 GiB", "512mb", "80%"])
def test_an_amount_of_memory_is_one_to_duckdb_too(amount: str) -> None:
    assert Memory().convert(amount, None, None) == amount
    Session(memory_limit=amount).close()


def test_what_the_system_refuses_is_told_without_a_word_on_the_ledger(
    small_ledger: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("pipeline.ledger.dump.os.fsync", fail)
    code, said = invoke("dump", "--out", tmp_path, "--store", small_ledger.store)
    assert code == 1
    assert "Input/output error" in said
    assert "see in `lettrage status` what the ledger holds" in said
    assert "nothing was changed" not in said
