"""Counts of work: what DuckDB did is counted where it was asked for, and growth is told by stage, file and measure."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path

import pytest

from benchmarks import counts
from benchmarks.counted import counted
from benchmarks.counts import CountsError, Found, growths, keep, lessened, report
from benchmarks.tally import PIPELINE, READ, WRITTEN, Tally
from pipeline import sql
from pipeline.sample import write_sample
from pipeline.sql import Session

STAGE = "run 1 / post"


def kept(**changed: int) -> Found:
    """Counts as they are kept: two files of a stage, its bytes, the instructions of a command."""
    number = {"first": 40_000, "second": 500_000, "read": 1_000_000, "instructions": 2_000_000, **changed}
    return {
        "made with": {"duckdb": "1", "cpu": "one"},
        "files": {
            "run 1 / post": {
                "post/first.sql": {"statements": 3, "rows made": number["first"]},
                "post/second.sql": {"statements": 3, "rows made": number["second"]},
            }
        },
        "bytes": {"run 1 / post": {READ: number["read"], WRITTEN: 10}},
        "instructions": {"status": number["instructions"]},
    }


def told(before: Found, after: Found) -> list[str]:
    return [f"{one.place}: {one}" if one.file else str(one) for one in growths(before, after)]


def test_what_did_not_change_does_not_grow() -> None:
    assert told(kept(), kept()) == []
    assert report(kept(), kept())[1]


def test_growth_within_the_tolerance_is_none() -> None:
    assert told(kept(), kept(second=505_000, read=1_010_000, instructions=2_030_000)) == []


def test_a_stage_that_grew_is_told_with_its_files() -> None:
    assert told(kept(), kept(second=600_000)) == [
        "run 1 / post: rows made 540,000 → 640,000 (+18.5%)",
        "run 1 / post: post/second.sql: rows made 500,000 → 600,000 (+20.0%)",
    ]


def test_a_file_that_doubled_is_told_though_its_stage_hardly_grew() -> None:
    assert told(kept(first=4_000), kept(first=8_000)) == [
        "run 1 / post: post/first.sql: rows made 4,000 → 8,000 (+100.0%)"
    ]


def test_work_that_was_moved_within_a_stage_that_does_less_is_no_growth() -> None:
    assert told(kept(), kept(first=60_000, second=400_000)) == []


def test_a_query_that_is_new_is_told_where_its_stage_grew() -> None:
    after = kept()
    after["files"]["run 1 / post"]["post/new.sql"] = {"statements": 1, "rows made": 90_000}
    assert "run 1 / post: post/new.sql: rows made 0 → 90,000 (new)" in told(kept(), after)


def test_bytes_and_instructions_grow_too() -> None:
    assert told(kept(), kept(read=1_100_000, instructions=2_100_000)) == [
        "run 1 / post: bytes read 1,000,000 → 1,100,000 (+10.0%)",
        "status: instructions 2,000,000 → 2,100,000 (+5.0%)",
    ]


def test_instructions_of_another_processor_are_not_compared() -> None:
    after = kept(instructions=9_000_000)
    after["made with"]["cpu"] = "another"
    said, holds = report(kept(), after)
    assert holds
    assert len(said) == 2
    assert "instructions are not compared" in said[0]
    assert "cpu one → another" in said[0]


def test_growth_says_how_to_accept_it() -> None:
    said, holds = report(kept(), kept(second=600_000))
    assert not holds
    assert "make counts ARGS=--accept" in said[-1]


def test_work_that_fell_is_offered_to_be_kept() -> None:
    assert [str(one) for one in lessened(kept(), kept(second=400_000))] == [
        "run 1 / post: rows made 540,000 → 440,000 (-18.5%)"
    ]
    assert report(kept(), kept(second=400_000))[1]


def test_a_baseline_is_read_as_it_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "counts.json"
    keep(kept(), path)
    assert json.loads(path.read_text()) == kept()
    assert '"post/first.sql": {"statements": 3, "rows made": 40000}' in path.read_text()


def test_rows_are_counted_at_the_file_that_asks_for_them(tmp_path: Path) -> None:
    tally = Tally()
    query = (PIPELINE / "stage" / "known_documents.sql").read_text()
    with tally.watching(), Session([tmp_path]) as session:
        tally.enter("run 1 / stage")
        session.create("numbers", "select range as number from range(1000)")
        assert tally.key(f'create temp table "known_documents" as {query}') == (
            "run 1 / stage",
            "stage/known_documents.sql",
        )
        session.query("select number from numbers order by number desc")
        tally.enter("end")
    (found,) = tally.files["run 1 / stage"].values()
    assert found["statements"] == 2
    assert found["rows scanned"] == 1000
    assert found["rows made"] >= 3000
    assert sql.watch is None


def test_a_session_that_nobody_watches_has_duckdbs_own_connection(tmp_path: Path) -> None:
    with Session([tmp_path]) as session:
        assert type(session.con).__module__ != "benchmarks.tally"
        assert not json.loads(session.con.get_profiling_information("json")).get("query")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample")
    write_sample(path, seed=5, scale=1, parquet=True)
    return path


@pytest.mark.slow
def test_a_query_too_many_is_told_by_name_and_an_unchanged_run_passes(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(name: str) -> Found:
        (tmp_path / name).mkdir()
        tally = counted(sample, tmp_path / name)
        return {"made with": {}, "files": copy.deepcopy(tally.files), "bytes": tally.bytes, "instructions": {}}

    work("warm-up")
    before = work("before")
    assert report(before, work("same")) == ([report(before, before)[0][-1]], True)

    files = before["files"][STAGE]
    dearest = max((file for file in files if file.endswith(".sql")), key=lambda file: files[file]["rows made"])
    text = (PIPELINE / dearest).read_text()
    create_once = Session.create

    def create_twice(session: Session, table: str, query: str, parameters: dict[str, object] | None = None) -> None:
        create_once(session, table, query, parameters)
        if query == text:
            create_once(session, table, query, parameters)

    monkeypatch.setattr(Session, "create", create_twice)
    said, holds = report(before, work("after"))
    assert not holds
    told = [line.strip() for line in said[said.index(STAGE) :]]
    assert any(line.startswith(f"{dearest}: rows made") and "+100.0%" in line for line in told)
    assert "dump" not in said


def test_what_cannot_be_done_is_said() -> None:
    with pytest.raises(CountsError, match="ended with 2"):
        counts._run([sys.executable, "-m", "pipeline.cli", "nothing"])
