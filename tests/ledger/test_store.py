"""The store: what is committed is there whole, what is not was never there; a broken store says so in a sentence."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from pipeline.errors import StoreBusyError, StoreError
from pipeline.ledger.disk import Disk
from pipeline.ledger.log import HEAD, Head, write_head
from pipeline.ledger.store import FORMAT, Store, Writer


def add(root: Path, run: int, *, wait: float = 10, **kinds: list[int]) -> None:
    """Commits rows of kinds: a number each."""
    with Store.open(root, create=True).writing(wait) as writer:
        for kind, numbers in kinds.items():
            writer.write(kind, pl.DataFrame({"number": numbers}, schema={"number": pl.Int64}))
        writer.commit(run, {"lettrage.run": str(run)})


def numbers(root: Path, kind: str = "lines") -> list[int]:
    """The rows of a kind, as a reader sees them now."""
    return [number for path in Store.open(root).files(kind) for number in pl.read_parquet(path)["number"]]


def refusal(root: Path, *, create: bool = False) -> str:
    with pytest.raises(StoreError) as caught:
        Store.open(root, create=create)
    assert caught.value.exit_code == 1
    return str(caught.value)


def logs(root: Path) -> list[Path]:
    return sorted((root / "_delta_log").glob("[0-9]*.json"))


def unacknowledge(root: Path) -> None:
    """Puts the head back to before the last commit, as where the power fails before the command has said that it is done."""
    head = root / HEAD
    version = len(logs(root)) - 2
    if version < 0:
        head.unlink()
        return
    log = logs(root)[version]
    name = log.relative_to(root).as_posix()
    write_head(Disk(root), Head(version, {name: hashlib.sha256(log.read_bytes()).hexdigest()}))


def segments(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.glob("kind=*/*")}


def test_runs_add_up(tmp_path: Path) -> None:
    for run in (1, 2, 3):
        add(tmp_path, run, lines=[run * 10], marks=[run])
    store = Store.open(tmp_path)
    assert (store.run, numbers(tmp_path), numbers(tmp_path, "marks")) == (3, [10, 20, 30], [1, 2, 3])
    assert store.files("nothing") == []
    assert store.broken_segments() == []


def test_rows_of_none_make_no_segment(tmp_path: Path) -> None:
    add(tmp_path, 1, lines=[1], marks=[])
    assert {name.split("/")[0] for name in segments(tmp_path)} == {"kind=lines"}


def test_rows_of_a_query_are_written_as_other_tools_read_them_and_can_skip_them(tmp_path: Path) -> None:
    query = """
        select i::bigint as number, i::integer as small, i::decimal(18, 4) as amount, i::decimal(6, 3) as rate,
            timestamp '2026-01-02 03:04:05.678901' as at, date '2026-01-01' + i::integer as day, i > 3 as late,
            (['a', 'b', 'c'])[1 + i // 2]::few_values as few, if(i = 0, null, 'd')::few_values as other
        from range(6) as rows (i) order by i
    """
    with duckdb.connect(":memory:") as connection, Store.open(tmp_path, create=True).writing() as writer:
        connection.execute("create type few_values as enum ('a', 'b', 'c', 'd')")
        writer.write("lines", connection.sql(query), row_group=2)
        with pq.ParquetFile(writer.written("lines")[0]) as segment:
            columns = {field.name: str(field.type) for field in segment.schema_arrow}
            groups = [segment.metadata.row_group(number) for number in range(segment.num_row_groups)]
    assert columns == {
        "number": "int64",
        "small": "int32",
        "amount": "decimal128(18, 4)",
        "rate": "decimal128(6, 3)",
        "at": "timestamp[us]",
        "day": "date32[day]",
        "late": "bool",
        "few": "string",
        "other": "string",
    }
    assert [group.num_rows for group in groups] == [2, 2, 2]
    assert {group.column(0).compression for group in groups} == {"ZSTD"}
    for place, expected in ((0, [(0, 1), (2, 3), (4, 5)]), (7, [("a", "a"), ("b", "b"), ("c", "c")])):
        statistics = [group.column(place).statistics for group in groups]
        assert [(one.min, one.max) for one in statistics] == expected
    assert {group.column(2).physical_type for group in groups} == {"INT64"}
    assert [group.column(8).statistics.null_count for group in groups] == [1, 0, 0]


def test_memory_that_ends_while_rows_are_written_is_told_from_a_disk_that_does(tmp_path: Path) -> None:
    class Rows:
        def to_arrow_reader(self, _: int) -> pa.RecordBatchReader:
            def batches() -> Iterator[pa.RecordBatch]:
                yield pa.record_batch({"number": pa.array([1], pa.int64())})
                message = "Out of Memory Error: could not allocate block"
                raise OSError(message)

            return pa.RecordBatchReader.from_batches(pa.schema([("number", pa.int64())]), batches())

    with Store.open(tmp_path, create=True).writing() as writer, pytest.raises(duckdb.OutOfMemoryException):
        writer.write("lines", cast("duckdb.DuckDBPyRelation", Rows()))
    assert not list((tmp_path / "kind=lines").iterdir())


def test_what_is_not_committed_is_not_there_and_is_swept(tmp_path: Path) -> None:
    add(tmp_path, 1, lines=[1])
    with Store.open(tmp_path).writing() as writer:
        writer.write("lines", pl.DataFrame({"number": [2]}))
        assert len(writer.written("lines")) == 1
    assert numbers(tmp_path) == [1]
    (tmp_path / "_delta_log" / "00000000000000000009.json#1").touch()
    assert len(segments(tmp_path)) == 2
    with Store.open(tmp_path).writing():
        assert len(segments(tmp_path)) == 1
    assert not list((tmp_path / "_delta_log").glob("*#*"))


def test_a_kind_replaced_holds_what_the_commit_wrote_alone(tmp_path: Path) -> None:
    add(tmp_path, 1, lines=[1], waiting=[1])
    before = Store.open(tmp_path)
    with Store.open(tmp_path).writing() as writer:
        writer.replace("waiting")
        writer.write("waiting", pl.DataFrame({"number": [2]}))
        writer.commit(2, {})
    assert (numbers(tmp_path), numbers(tmp_path, "waiting")) == ([1], [2])
    assert pl.read_parquet(before.files("waiting"))["number"].to_list() == [1], "a reader that came before"
    with Store.open(tmp_path).writing() as writer:
        writer.replace("waiting")
        writer.commit(3, {})
    assert numbers(tmp_path, "waiting") == []


def test_a_segment_replaced_stays_for_an_hour_however_old_it_is(tmp_path: Path) -> None:
    add(tmp_path, 1, waiting=[1])
    (old,) = map(Path, Store.open(tmp_path).files("waiting"))
    os.utime(old, (0, 0))
    with Store.open(tmp_path).writing() as writer:
        writer.replace("waiting")
        writer.commit(2, {})
    add(tmp_path, 3, lines=[1])
    assert old.exists()
    for log in logs(tmp_path):
        os.utime(log, (time.time() - 4000,) * 2)
    add(tmp_path, 4, lines=[1])
    assert not old.exists()


def test_a_new_column_is_null_in_older_segments(tmp_path: Path) -> None:
    add(tmp_path, 1, lines=[1])
    with Store.open(tmp_path).writing() as writer:
        writer.write("lines", pl.DataFrame({"number": [2], "axis_project": ["P1"]}))
        writer.commit(2, {})
    table = pl.scan_delta(str(tmp_path)).sort("number").collect()
    assert table.select("number", "axis_project").rows() == [(1, None), (2, "P1")]
    assert numbers(tmp_path) == [1, 2]


def test_a_column_has_one_type(tmp_path: Path) -> None:
    add(tmp_path, 1, lines=[1])
    with Store.open(tmp_path).writing() as writer:
        writer.write("marks", pl.DataFrame({"number": ["one"]}))
        with pytest.raises(StoreError, match="column number is"):
            writer.commit(2, {})
    with Store.open(tmp_path).writing() as writer:
        writer.write("marks", pl.DataFrame({"other": [1]}))
        with pytest.raises(StoreError, match="column other of lines is string, elsewhere int64"):
            writer.write("lines", pl.DataFrame({"other": ["one"]}))
    assert (Store.open(tmp_path).run, numbers(tmp_path)) == (1, [1])


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint every five commits."""
    monkeypatch.setattr(Disk, "checkpoint_every", property(lambda _: 5))


@pytest.mark.slow
def test_many_commits_pass_a_checkpoint(tmp_path: Path) -> None:
    for run in range(1, 61):
        add(tmp_path, run, lines=[run])
    assert numbers(tmp_path) == list(range(1, 61))
    assert len(logs(tmp_path)) == 61, "the log is kept"
    assert Store.open(tmp_path).broken_segments() == []


@pytest.mark.parametrize("kept", [0, 100])
def test_a_checkpoint_torn_before_the_head_knew_it_is_set_aside(kept: int, often: None, tmp_path: Path) -> None:
    for run in range(1, 6):
        add(tmp_path, run, lines=[run])
    (checkpoint,) = (tmp_path / "_delta_log").glob("*.checkpoint.parquet")
    log = logs(tmp_path)[-1]
    digest = hashlib.sha256(log.read_bytes()).hexdigest()
    write_head(Disk(tmp_path), Head(5, {log.relative_to(tmp_path).as_posix(): digest}))
    checkpoint.write_bytes(checkpoint.read_bytes()[:kept])
    assert numbers(tmp_path) == list(range(1, 6))
    add(tmp_path, 6, lines=[6])
    assert (Store.open(tmp_path).run, len(numbers(tmp_path))) == (6, 6)
    assert list((tmp_path / "_delta_log").glob(f"torn-{checkpoint.name}-*"))


@pytest.mark.parametrize("name", ["00000000000000000005.checkpoint.parquet", "_last_checkpoint"])
def test_a_checkpoint_that_was_changed_is_not_read(name: str, often: None, tmp_path: Path) -> None:
    for run in range(1, 8):
        add(tmp_path, run, lines=[run])
    changed = tmp_path / "_delta_log" / name
    flip(changed)
    assert refusal(tmp_path).startswith(f"{changed}: a checkpoint of the log is not what was written")
    for path in [*changed.parent.glob("*.checkpoint.parquet"), changed.parent / "_last_checkpoint"]:
        path.unlink()
    assert numbers(tmp_path) == list(range(1, 8)), "what the sentence says to do"
    add(tmp_path, 8, lines=[8])
    assert Store.open(tmp_path).broken_files() == []


@pytest.mark.parametrize("kept", [0, 60, -30])
def test_a_torn_last_log_is_set_aside_and_the_ledger_goes_on(kept: int, tmp_path: Path) -> None:
    add(tmp_path, 1, lines=[1])
    add(tmp_path, 2, lines=[2])
    unacknowledge(tmp_path)
    torn = logs(tmp_path)[-1]
    torn.write_bytes(torn.read_bytes()[:kept] if kept else b"")
    assert (Store.open(tmp_path).run, numbers(tmp_path)) == (1, [1]), "a reader sees the ledger before it"
    with Store.open(tmp_path).writing() as writer:
        (note,) = writer.notes
        assert torn.name in note
        assert (writer.store.run, len(segments(tmp_path))) == (1, 1)
    add(tmp_path, 2, lines=[3])
    assert (Store.open(tmp_path).run, numbers(tmp_path)) == (2, [1, 3])
    assert len(list((tmp_path / "_delta_log").glob("torn-*"))) == 1


def test_a_last_log_cut_between_two_of_its_lines_is_torn(tmp_path: Path) -> None:
    add(tmp_path, 1, lines=[1])
    add(tmp_path, 2, lines=[2], marks=[2])
    unacknowledge(tmp_path)
    torn = logs(tmp_path)[-1]
    torn.write_bytes(b"\n".join(torn.read_bytes().splitlines()[:2]) + b"\n")
    assert (Store.open(tmp_path).run, numbers(tmp_path)) == (1, [1])


@pytest.mark.parametrize("content", [b"", b"{", None])
def test_the_last_log_of_a_run_that_was_reported_as_done_is_never_taken_for_torn(
    content: bytes | None, tmp_path: Path
) -> None:
    add(tmp_path, 1, lines=[1])
    last = logs(tmp_path)[-1]
    if content is None:
        last.unlink()
    else:
        last.write_bytes(content)
    assert str(last) in refusal(tmp_path)
    assert str(last) in refusal(tmp_path, create=True)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_log_file_with_another_byte_is_named(number: int, tmp_path: Path) -> None:
    add(tmp_path, 1, lines=[1])
    add(tmp_path, 2, lines=[2])
    flip(logs(tmp_path)[number])
    assert refusal(tmp_path).startswith(str(logs(tmp_path)[number]))


def test_a_log_file_before_the_checkpoint_is_looked_at_by_check_alone(often: None, tmp_path: Path) -> None:
    for run in range(1, 8):
        add(tmp_path, run, lines=[run])
    flip(logs(tmp_path)[2])
    name = logs(tmp_path)[2].relative_to(tmp_path).as_posix()
    assert [found for found, _ in Store.open(tmp_path).broken_files()] == [name]


def test_a_head_that_was_changed_is_said_and_not_believed(tmp_path: Path) -> None:
    add(tmp_path, 1, lines=[1])
    flip(tmp_path / HEAD)
    assert (numbers(tmp_path), [name for name, _ in Store.open(tmp_path).broken_files()]) == ([1], [HEAD])
    add(tmp_path, 2, lines=[2])
    assert Store.open(tmp_path).broken_files() == []


def test_a_torn_first_log_is_no_ledger_yet(tmp_path: Path) -> None:
    add(tmp_path, 1, lines=[1])
    logs(tmp_path)[1].unlink()
    (tmp_path / HEAD).unlink()
    logs(tmp_path)[0].write_bytes(b'{"proto')
    assert "there is no ledger store here" in refusal(tmp_path)
    add(tmp_path, 1, lines=[7])
    assert (Store.open(tmp_path).run, numbers(tmp_path)) == (1, [7])


def test_a_torn_log_in_between_is_said(tmp_path: Path) -> None:
    for run in (1, 2, 3):
        add(tmp_path, run, lines=[run])
    missing = logs(tmp_path)[1]
    missing.unlink()
    assert refusal(tmp_path).startswith(f"{missing}: a file of the log is missing")


def test_a_segment_that_is_missing_or_short_is_named(tmp_path: Path) -> None:
    add(tmp_path, 1, lines=[1])
    (path,) = map(Path, Store.open(tmp_path).files("lines"))
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert refusal(tmp_path).startswith(f"{path}: a segment that the log names is missing or has another size")
    path.unlink()
    assert str(path) in refusal(tmp_path)
    assert str(path) in refusal(tmp_path, create=True)


def test_a_segment_with_another_byte_is_named(tmp_path: Path) -> None:
    add(tmp_path, 1, lines=[1], marks=[2])
    (path,) = map(Path, Store.open(tmp_path).files("lines"))
    flip(path)
    store = Store.open(tmp_path)
    assert store.broken_segments() == [path.relative_to(tmp_path).as_posix()]
    store.verify(["marks"])
    with pytest.raises(StoreError, match="a segment is not what was written") as caught:
        store.verify()
    assert str(path) in str(caught.value)


def test_a_second_writer_waits_then_ends_with_a_sentence(tmp_path: Path) -> None:
    add(tmp_path, 1, lines=[1])
    with Store.open(tmp_path).writing():
        with pytest.raises(StoreBusyError, match="another process is writing this ledger"):
            add(tmp_path, 2, wait=0.1, lines=[2])
        assert numbers(tmp_path) == [1], "readers need no lock"
    add(tmp_path, 2, lines=[2])
    assert numbers(tmp_path) == [1, 2]


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("column", ["number", "axis_project"])
def test_of_two_writers_without_a_lock_one_is_refused(before: int, column: str, tmp_path: Path) -> None:
    if before:
        add(tmp_path, 1, lines=[1])
    first, second = (Writer(Store.open(tmp_path, create=True), []) for _ in range(2))
    first.write("lines", pl.DataFrame({"number": [2]}))
    second.write("lines", pl.DataFrame({column: [3]}))
    first.commit(before + 1, {})
    with pytest.raises(StoreBusyError, match="another writer changed the ledger meanwhile") as caught:
        second.commit(before + 1, {})
    assert caught.value.exit_code == 1
    assert (Store.open(tmp_path).run, numbers(tmp_path)) == (before + 1, [1, 2][1 - before :])


def test_a_commit_that_comes_between_column_and_rows_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tmp_path, 1, lines=[1])
    writer = Writer(Store.open(tmp_path), [])
    writer.write("lines", pl.DataFrame({"axis_project": ["P1"]}))

    def late(*_: object, **__: object) -> None:
        raise CommitFailedError

    monkeypatch.setattr(DeltaTable, "create_write_transaction", late)
    with pytest.raises(StoreBusyError):
        writer.commit(2, {})
    monkeypatch.undo()
    assert (Store.open(tmp_path).run, numbers(tmp_path)) == (1, [1])


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    with Store.open(tmp_path, create=True).writing() as writer:
        writer.commit(1, {})
    unacknowledge(tmp_path)
    logs(tmp_path)[1].unlink()
    unacknowledge(tmp_path)
    log = logs(tmp_path)[0]
    log.write_text(log.read_text().replace(f'"lettrage.format":"{FORMAT}"', f'"lettrage.format":"{FORMAT + 1}"'))
    assert f"this ledger has format {FORMAT + 1}, and this version of lettrage reads formats up to" in refusal(tmp_path)


def test_another_directory_is_no_store(tmp_path: Path) -> None:
    assert "there is no ledger store here" in refusal(tmp_path / "none")
    assert "there is no ledger store here" in refusal(tmp_path)
    (tmp_path / "letter.txt").touch()
    assert "holds other files and no ledger" in refusal(tmp_path, create=True)
    assert "this is a file" in refusal(tmp_path / "letter.txt", create=True)
    foreign = tmp_path / "foreign"
    pl.DataFrame({"a": [1]}).write_delta(str(foreign))
    assert "this is a Delta table, and no ledger" in refusal(foreign, create=True)
    (tmp_path / "other" / "_delta_log").mkdir(parents=True)
    (tmp_path / "other" / "_delta_log" / "notes").touch()
    assert "holds other files and no ledger" in refusal(tmp_path / "other", create=True)


def flip(path: Path) -> None:
    """Changes a bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [100, 1000])
def test_a_disk_that_is_full_leaves_the_ledger_as_it_was(size: int, tmp_path: Path) -> None:
    add(tmp_path, 1, lines=[1])
    before = segments(tmp_path)
    with Store.open(tmp_path).writing() as writer:
        with files_no_larger_than(size), pytest.raises(StoreError, match=r"cannot be written") as caught:  # noqa: PT012
            writer.write("lines", pl.DataFrame({"number": [2]}))
            writer.commit(2, {"filler": "x" * 5000})
        assert "the ledger is as it was" in str(caught.value)
    add(tmp_path, 2, lines=[2])
    assert numbers(tmp_path) == [1, 2]
    assert before < segments(tmp_path)


def test_the_log_says_what_each_commit_was(tmp_path: Path) -> None:
    add(tmp_path, 1, lines=[1])
    (commit,) = [json.loads(line) for line in logs(tmp_path)[1].read_text().splitlines() if "commitInfo" in line]
    assert commit["commitInfo"]["lettrage.run"] == "1"
    assert DeltaTable(str(tmp_path)).transaction_version("lettrage") == 1


def test_a_commit_while_a_reader_lists_the_files_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each directory that is listed is followed by a commit: a segment or a log file is never missed for that."""
    add(tmp_path, 1, lines=[1])
    real, runs = os.scandir, iter(range(2, 100))

    def with_a_commit(path: Path) -> object:
        listed = list(real(path))
        monkeypatch.setattr(os, "scandir", real)
        add(tmp_path, next(runs), lines=[0])
        monkeypatch.setattr(os, "scandir", with_a_commit)
        return listed

    monkeypatch.setattr(os, "scandir", with_a_commit)
    store = Store.open(tmp_path)
    monkeypatch.undo()
    assert 1 <= store.run < Store.open(tmp_path).run
    assert store.broken_files() == []


def test_a_commit_while_a_reader_looks_at_the_head_is_no_damage(
    often: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run in range(1, 4):
        add(tmp_path, run, lines=[run])
    real, runs = Disk.read, iter(range(4, 100))

    def with_a_commit(self: Disk, name: str) -> bytes:
        content = real(self, name)
        if name == HEAD:
            monkeypatch.setattr(Disk, "read", real)
            add(tmp_path, next(runs), lines=[0])
            monkeypatch.setattr(Disk, "read", with_a_commit)
        return content

    monkeypatch.setattr(Disk, "read", with_a_commit)
    for _ in range(4):  # a checkpoint comes in between
        store = Store.open(tmp_path)
        assert store.broken_files() == []
    monkeypatch.undo()
    assert list((tmp_path / "_delta_log").glob("*.checkpoint.parquet"))


def test_of_two_writers_that_make_the_store_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = DeltaTable.create

    def late(*arguments: object, **named: object) -> DeltaTable:
        monkeypatch.setattr(DeltaTable, "create", real)
        add(tmp_path, 1, lines=[1])
        return real(*arguments, **named)  # type: ignore[arg-type]

    writer = Writer(Store.open(tmp_path, create=True), [])
    writer.write("lines", pl.DataFrame({"number": [2]}))
    monkeypatch.setattr(DeltaTable, "create", late)
    with pytest.raises(StoreBusyError, match="another writer changed the ledger meanwhile"):
        writer.commit(1, {})
    assert numbers(tmp_path) == [1]
