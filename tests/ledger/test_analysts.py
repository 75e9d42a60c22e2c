"""The recipes for analysts: every snippet of docs/analysts.md is run on a ledger, and what it shows is what comes out."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest
from click.testing import CliRunner
from polars.testing import assert_frame_equal

from pipeline.cli import main
from pipeline.ledger.as_of import AsOf
from pipeline.ledger.dump import dump
from pipeline.ledger.store import Store
from schemas import LEDGER
from schemas.table import key
from tests.support import Company, advance, allocation, expense, order, report, tax

PAGE = Path(__file__).parents[2] / "docs" / "analysts.md"
#: code, and what follows it: of a query or a program what it gives, a console holds it itself
SNIPPET = re.compile(r"^```(sql|python|console)\n(.*?)^```\n(?:\n```text\n.*?^```\n)?", re.MULTILINE | re.DOTALL)
#: how DuckDB calls the types whose columns stand to the right
NUMBER = re.compile(r"(?:HUGE|BIG)?INT|INTEGER|DECIMAL")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """Two runs of two currencies: reports, an advance, their payment; then a report changed, and what is open."""
    made = Company(tmp_path_factory.mktemp("analysts"))
    made.store = made.directory / "books"
    made.run(
        on="2026-02-01",
        advances=[advance(amount="40.00")],
        expense_reports=[
            report(),
            report("R2", employee="E2"),
            report("R3", employee="E3"),
            report("R9", employee="nobody"),
        ],
        expenses=[
            expense(gross="120.00"),
            expense("R2", gross="110.00", expense_type="hotel"),
            expense("R3", gross="45.500", expense_type="meal", currency="TND"),
            expense("R9"),
        ],
        expense_taxes=[tax(), tax(report="R2", vat_code="V10")],
        allocations=[allocation(), allocation(report="R2", section="P2")],
        payment_orders=[order()],
    )
    made.run(
        on="2026-03-01",
        expense_reports=[
            report("R2", version="2", employee="E2", modified_on="2026-02-10"),
            report("R4", declared_on="2026-02-09"),
            report("R5", employee="E3", declared_on="2026-02-11"),
        ],
        expenses=[
            expense("R2", version="2", gross="99.00", expense_type="hotel"),
            expense("R4", gross="60.00", incurred_on="2026-02-05"),
            expense("R5", gross="200.000", incurred_on="2026-02-06", expense_type="hotel", currency="TND"),
        ],
        expense_taxes=[tax(report="R2", version="2", vat_code="V10"), tax(report="R4")],
        allocations=[allocation(report="R2", version="2", section="P2"), allocation(report="R4")],
    )
    return made


def test_the_page_shows_what_its_snippets_give(
    company: Company, monkeypatch: pytest.MonkeyPatch, rewrite_golden: bool
) -> None:
    monkeypatch.chdir(company.directory)
    page = PAGE.read_text(encoding="utf-8")
    run = SNIPPET.sub(lambda snippet: rendered(snippet[1], snippet[2]), page)
    if rewrite_golden:
        PAGE.write_text(run, encoding="utf-8")
    assert run == page


def test_every_code_block_of_the_page_is_run() -> None:
    prose = SNIPPET.sub("", PAGE.read_text(encoding="utf-8"))
    assert "```" not in prose
    assert "~~~" not in prose
    assert [line for line in prose.splitlines() if line.startswith(("    ", "\t"))] == []


def rendered(language: str, code: str) -> str:
    """Runs a snippet; returns it with what it gives."""
    if language == "console":
        return f"```console\n{''.join(told(line) for line in code.splitlines() if line.startswith('$ '))}```\n"
    given = {"sql": queried, "python": executed}[language](code)
    shown = f"\n```text\n{given}```\n" if given else ""
    return f"```{language}\n{code}```\n{shown}"


def told(line: str) -> str:
    program, *arguments = shlex.split(line.removeprefix("$ "))
    assert program == "lettrage"
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return f"{line}\n{result.output}"


def executed(code: str) -> str:
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        exec(compile(code, str(PAGE), "exec"), {})  # noqa: S102 - the page is ours
    return shown.getvalue()


def queried(code: str) -> str:
    """What the statements of a snippet give in books.duckdb, opened as a BI tool opens it: the last one's rows."""
    with duckdb.connect("books.duckdb", read_only=True) as con:
        result = con.execute(code)
        names = [column[0] for column in result.description or []]
        to_the_right = [NUMBER.match(str(column[1])) is not None for column in result.description or []]
        rows = [["-" if cell is None else str(cell) for cell in row] for row in result.fetchall()]
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, to_the_right, strict=True)
        ).rstrip()
        for row in [names, *rows]
    ]
    return "\n".join(lines) + "\n"


ALL_FORMS = [("--out", "v.sql"), ("--duckdb", "v.duckdb"), ("--duckdb", "c.duckdb", "--copy")]


def written(company: Company, directory: Path, *form: str) -> Path:
    """Gives the command; returns the file that it wrote."""
    option, name, *more = form
    result = company.invoke("views", option, str(directory / name), *more)
    assert result.exit_code == 0, result.output
    return directory / name


@contextlib.contextmanager
def opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    if path.suffix == ".duckdb":
        with duckdb.connect(path, read_only=True) as con:
            yield con
    else:
        with duckdb.connect() as con:
            con.execute(path.read_text(encoding="utf-8"))
            con.execute(path.read_text(encoding="utf-8"))  # a second time in the same database, as `.read` allows
            yield con


@contextlib.contextmanager
def another_program(path: Path, mode: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has the file open, and tells the run of its `about` for each line that it gets."""
    program = """if True:
        import duckdb, sys
        con = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read")
        if sys.argv[2] == "write":
            con.execute("create table of_mine as select 1 as one")
        print("open", flush=True)
        for _ in sys.stdin:
            print(*con.execute("select run from about").fetchone(), flush=True)
    """
    command = [sys.executable, "-c", program, str(path), mode]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            yield process
        finally:
            process.kill()


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def run_in(path: Path) -> int:
    with opened(path) as con:
        return int(con.execute("select run from about").fetchall()[0][0])


@pytest.mark.parametrize("run", [None, 1])
def test_views_and_copies_are_the_tables_of_a_dump(company: Company, tmp_path: Path, run: int | None) -> None:
    dump(Store.open(company.store), tmp_path / "dump", as_of=AsOf(run))
    expected = {table: pl.read_parquet(tmp_path / "dump" / f"{table}.parquet") for table in LEDGER}
    for form in ALL_FORMS:
        path = written(company, tmp_path, *form, *([] if run is None else ["--as-of", str(run)]))
        with opened(path) as con:
            for table, rows in expected.items():
                keys = list(key(LEDGER[table]))
                assert_frame_equal(con.sql(f"from {table}").pl().sort(keys), rows.sort(keys))
        assert run_in(path) == (run or 2)


def test_the_sql_file_says_of_which_ledger_and_run_it_is(company: Company, tmp_path: Path) -> None:
    head = written(company, tmp_path, "--out", "v.sql", "--as-of", "1").read_text(encoding="utf-8").splitlines()[1]
    assert re.fullmatch(
        rf"-- The ledger {re.escape(str(company.store))}, as of run 1, looked at on [-\d]{{10}} at [:\d]{{8}} UTC\.",
        head,
    )


def test_columns_bear_their_meaning(company: Company, tmp_path: Path) -> None:
    for form in ALL_FORMS[1:]:
        with opened(written(company, tmp_path, *form)) as con:
            con.execute("from letterings").fetchall()
            told = "select comment from duckdb_columns() where table_name = 'letterings' and schema_name = 'main'"
            assert "event date of what dissolved it" in {comment for (comment,) in con.execute(told).fetchall()}


def test_a_store_may_be_called_anything(company: Company, tmp_path: Path) -> None:
    named = Company(tmp_path)
    named.store = tmp_path / 'l\'année 2026; -- "x"'
    shutil.copytree(company.store, named.store)
    for form in ALL_FORMS[:2]:
        with opened(written(named, tmp_path, *form)) as con:
            assert con.execute("select count(*), any_value(store) from entry_lines, about").fetchall() == [
                (27, str(named.store))
            ]


def test_who_has_the_old_file_open_goes_on_with_it(company: Company, tmp_path: Path) -> None:
    path = written(company, tmp_path, "--duckdb", "v.duckdb", "--as-of", "1")
    with another_program(path, "read") as reader:
        written(company, tmp_path, "--duckdb", "v.duckdb")
        assert answer(reader) == "1"
        assert run_in(path) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["v.duckdb"]


def test_a_file_open_for_writing_is_left_alone_and_its_changes_do_not_outlive_it(
    company: Company, tmp_path: Path
) -> None:
    path = written(company, tmp_path, "--duckdb", "v.duckdb", "--as-of", "1")
    with another_program(path, "write") as writer:
        result = company.invoke("views", "--duckdb", str(path))
        assert result.exit_code == 2
        assert "another program has this file open for writing" in result.stderr
        assert answer(writer) == "1"
    assert path.with_name("v.duckdb.wal").exists(), "killed, it has left what it had not written into the file"
    written(company, tmp_path, "--duckdb", "v.duckdb")
    with opened(path) as con:
        assert con.execute("select count(*) from duckdb_tables()").fetchall() == [(0,)]
    assert [file.name for file in tmp_path.iterdir()] == ["v.duckdb"]


def test_a_file_of_somebody_else_is_not_written_over(company: Company, tmp_path: Path) -> None:
    (tmp_path / "mine.sql").write_text("select 1;\n")
    (tmp_path / "text.duckdb").write_text("no database\n")
    with duckdb.connect(tmp_path / "mine.duckdb") as con:
        con.execute("create table about as select 'me' as made_by")
    with duckdb.connect(tmp_path / "empty.duckdb"):
        pass
    before = contents(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        result = company.invoke("views", "--out" if path.suffix == ".sql" else "--duckdb", str(path))
        assert result.exit_code == 2, path
        assert "was not written by `lettrage views`" in result.stderr
    assert contents(tmp_path) == before


def test_what_fails_leaves_the_file_that_was_there(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for form in ALL_FORMS[:2]:
        written(company, tmp_path, *form)
    before = contents(tmp_path)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.ledger.views.os.fsync", fail)
    for option, name in ALL_FORMS[:2]:
        result = company.invoke("views", option, str(tmp_path / name))
        assert result.exit_code == 1
        assert "No space left on device" in result.stderr
    assert contents(tmp_path) == before


def test_a_damaged_segment_makes_no_views(company: Company, tmp_path: Path) -> None:
    damaged = Company(tmp_path)
    shutil.copytree(company.store, damaged.store)
    segment = next((damaged.store / "kind=payments").iterdir())
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    result = damaged.invoke("views", "--out", str(tmp_path / "v.sql"))
    assert result.exit_code == 1
    assert segment.name in result.stderr
    assert not (tmp_path / "v.sql").exists()


def test_what_a_killed_command_left_is_cleared_away(company: Company, tmp_path: Path) -> None:
    left = [tmp_path / f".v.duckdb.{'0' * 32}.writing", tmp_path / f".v.duckdb.{'0' * 32}.writing.wal"]
    for path in left:
        path.write_bytes(b"half of it")
        os.utime(path, (0, 0))
    others = tmp_path / f".v.duckdb.{'1' * 32}.writing"
    others.write_bytes(b"a command that is still writing")
    written(company, tmp_path, "--duckdb", "v.duckdb")
    assert sorted(tmp_path.iterdir()) == [others, tmp_path / "v.duckdb"]


def test_json_tells_the_file_the_run_and_the_tables(company: Company, tmp_path: Path) -> None:
    result = company.invoke("views", "--out", str(tmp_path / "v.sql"), "--as-of", "1", "--json")
    assert json.loads(result.stdout) == {"file": str(tmp_path / "v.sql"), "run": 1, "tables": list(LEDGER)}


@pytest.mark.parametrize(
    "options",
    [[], ["--out", "a.sql", "--duckdb", "a.duckdb"], ["--out", "a.sql", "--copy"], ["--out", "a.sql", "--as-of", "3"]],
    ids=" ".join,
)
def test_what_cannot_be_meant_ends_with_2(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert company.invoke("views", *options).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}
