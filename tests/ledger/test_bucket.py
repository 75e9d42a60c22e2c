"""A ledger on a bucket is the one on a disk, byte for byte; two writers, kills, damage and a server that is gone."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import obstore
import polars as pl
import pytest
from obstore.store import S3Store

from pipeline.errors import StoreBusyError, StoreError, UsageError
from pipeline.ledger import log
from pipeline.ledger.bucket import Bucket
from pipeline.ledger.check import check
from pipeline.ledger.dump import dump
from pipeline.ledger.place import place_of
from pipeline.ledger.store import Store, Writer
from pipeline.partition import taken
from pipeline.partition.part import FOLDER
from tests.s3_server import KEY
from tests.support import Company, Tables, advance, expense, order, reference, report, write

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-of-the-tests"
BATCHES: list[Tables] = [
    {"advances": [advance()], "expense_reports": [report()], "expenses": [expense()], "payment_orders": [order()]},
    {
        "expense_reports": [report(version="2", modified_on="2026-02-02"), report("R2"), report("R3", employee="E9")],
        "expenses": [expense(version="2", gross="90.00"), expense("R2"), expense("R3")],
        "payment_orders": [order("PO2", created_on="2026-02-28", cutoff_on="2026-02-28")],
    },
    {"payment_returns": [{"payment_order": "PO2", "employee": "E2", "returned_on": "2026-03-01", "reason": "closed"}]},
]


class Server:
    """The server of a test module, and what is in its bucket."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.s3_server"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.endpoint = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def environment(self, cache: Path) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "LETTRAGE_CACHE": str(cache),
        }

    def tell(self, path: str, method: str = "PUT") -> dict[str, int]:
        asked = urllib.request.Request(f"{self.endpoint}/-/{path}", method=method)  # noqa: S310 - our own server
        with urllib.request.urlopen(asked) as answer:  # noqa: S310 - likewise
            told: dict[str, int] = json.load(answer)
        return told

    def objects(self, prefix: str) -> S3Store:
        return S3Store(
            "books",
            prefix=prefix,
            endpoint=self.endpoint,
            region="us-east-1",
            access_key_id=KEY,
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def server(running: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server, with this process as its client; a cache of the test's own."""
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    for name, value in running.environment(tmp_path / "cache").items():
        monkeypatch.setenv(name, value)
    return running


@pytest.fixture
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place in the bucket that no other test uses."""
    return f"s3://books/{tmp_path.name}"


class Inputs:
    """The batches as files, and the ledger that they make on a disk."""

    def __init__(self, home: Path) -> None:
        self.reference = write(home / "reference", reference())
        self.batches = [write(home / f"batch-{number}", batch) for number, batch in enumerate(BATCHES)]
        self.home = home

    @cached_property
    def disk(self) -> Company:
        """The ledger of all of them."""
        company = Company(self.home)
        self._dumps: list[dict[str, bytes] | None] = [None]
        for number in range(len(BATCHES)):
            assert company.invoke(*self.arguments(number)).exit_code in (0, 3)
            self._dumps.append(dumped(company.store, self.home / "dump"))
        return company

    @property
    def dumps(self) -> list[dict[str, bytes] | None]:
        """What a dump holds after none of them, the first, and so on."""
        assert self.disk
        return self._dumps

    def arguments(self, number: int) -> list[str]:
        return ["run", "--reference", str(self.reference), "--batch", str(self.batches[number]), "--on", "2026-03-02"]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return Inputs(tmp_path_factory.mktemp("inputs"))


def dumped(store: Path | str, out: Path) -> dict[str, bytes] | None:
    """The bytes of a dump, run_times apart; None for a store without runs."""
    ledger = Store.open(store, create=True)
    if ledger.run == 0:
        return None
    assert check(ledger, with_chain=True) == []
    dump(ledger, out)
    return {path.name: path.read_bytes() for path in out.iterdir() if path.stem != "run_times"}


def on_bucket(address: str, home: Path) -> Company:
    company = Company(home)
    company.store = address  # type: ignore[assignment]
    return company


def start(*arguments: str, cache: Path | None = None) -> subprocess.Popen[str]:
    """A command as a process; with `cache` it is on another machine."""
    environment = dict(os.environ) | ({"LETTRAGE_CACHE": str(cache)} if cache else {})
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(company: Company, *arguments: str, expect: int = 0) -> str:
    result = company.invoke(*arguments)
    assert result.exit_code == expect, result.output
    return result.stdout


def timeless(text: str) -> str:
    """What a command says, without the moments at which runs were made."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:]+Z?|\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", "then", text)


def flip(objects: S3Store, name: str) -> None:
    """Changes one byte of an object."""
    content = bytearray(obstore.get(objects, name).bytes())
    content[len(content) // 2] ^= 1
    obstore.put(objects, name, bytes(content))


def test_a_run_leaves_a_ledger_on_a_bucket(server: Server, address: str, inputs: Inputs, tmp_path: Path) -> None:
    company = on_bucket(address, tmp_path)
    assert company.invoke(*inputs.arguments(0)).exit_code in (0, 3)
    assert said(company, "check", "--chain") == "every invariant holds\n"
    assert Store.open(address).run == 1


def elsewhere(take: Callable[[Any], Any], cache: Path) -> Callable[[Any], Any]:
    """A task as another machine takes it, which has copies of its own of what is in the bucket."""

    def taken_there(task: Any) -> Any:
        with pytest.MonkeyPatch.context() as there:
            there.setenv("LETTRAGE_CACHE", str(cache))
            return take(task)

    return taken_there


@pytest.mark.slow
def test_parts_of_a_run_may_be_taken_by_other_machines(
    server: Server, address: str, inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in ("post_part", "number_part"):
        monkeypatch.setattr(taken, step, elsewhere(getattr(taken, step), tmp_path / step))
    company = on_bucket(address, tmp_path)
    for number in range(3):
        assert company.invoke(*inputs.arguments(number), "--parts", "2").exit_code in (0, 3)
    assert dumped(address, tmp_path / "dump") == inputs.dumps[3]
    assert not [name for name in place_of(address).sizes() if name.startswith(f"{FOLDER}/")]


@pytest.mark.slow
def test_every_command_says_what_it_says_of_a_disk(
    server: Server, address: str, inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company, disk = on_bucket(address, tmp_path), inputs.disk
    for number in range(3):
        assert company.invoke(*inputs.arguments(number)).exit_code in (0, 3)
    monkeypatch.setenv("LETTRAGE_CACHE", str(tmp_path / "another"))
    assert dumped(address, tmp_path / "dump") == inputs.dumps[3]
    for command in (
        ["status", "--json"],
        ["status", "--as-of", "1", "--json"],
        ["balances", "--json"],
        ["balances", "--employees", "--as-of-date", "2026-02-01", "--json"],
        ["balances", "--open"],
        ["explain", "R1", "--json"],
        ["explain", "E2"],
        ["check", "--chain"],
    ):
        assert timeless(said(company, *command)) == timeless(said(disk, *command)), command
    for place in (company, disk):
        files = place.directory
        said(place, "dump", "--as-of", "2", "--out", str(files / "then"))
        said(place, "export", "--format", "csv", "--entity", "FR01", "--on", "2026-03-02", "--out", str(files / "out"))
        said(place, "export", "--again", "1", "--out", str(files / "again"))
        said(place, "export", "--cancel", "1")
        said(place, "exports")
    for folder in ("then", "out", "again"):
        mine, theirs = tmp_path / folder, disk.directory / folder
        names = sorted(path.relative_to(theirs) for path in theirs.rglob("*") if path.is_file())
        assert names == sorted(path.relative_to(mine) for path in mine.rglob("*") if path.is_file())
        for name in names:
            if name.stem != "run_times":
                assert (mine / name).read_bytes() == (theirs / name).read_bytes(), name
    assert said(company, "exports") == said(disk, "exports")
    assert said(company, "check", "--chain") == "every invariant holds\n"


@pytest.mark.slow
def test_a_run_elsewhere_brings_no_entry_lines_but_those_it_takes_back(
    server: Server, address: str, inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = on_bucket(address, tmp_path)
    for number in range(3):
        monkeypatch.setenv("LETTRAGE_CACHE", str(tmp_path / f"machine-{number}"))
        assert company.invoke(*inputs.arguments(number)).exit_code in (0, 3)
    brought = {path.name.partition("-")[0] for path in (tmp_path / "machine-2").rglob("kind=entry_lines/*")}
    assert "00000001" not in brought
    assert dumped(address, tmp_path / "dump") == inputs.dumps[3]


def test_of_two_writers_one_wins(server: Server, address: str) -> None:
    writers = [Writer(Store.at(place_of(address), create=True), []) for _ in range(2)]
    frames = [lines(number) for number in range(2)]
    for writer, frame in zip(writers, frames, strict=True):
        writer.write("lines", frame)
    writers[0].commit(1, {})
    with pytest.raises(StoreBusyError, match="another writer changed the ledger meanwhile"):
        writers[1].commit(1, {})
    store = Store.open(address)
    assert (store.run, len(store.files("lines"))) == (1, 1)


def lines(number: int) -> pl.DataFrame:
    return pl.DataFrame({"number": [number]}, schema={"number": pl.Int64})


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_runs_at_once_post_nothing_twice(server: Server, address: str, inputs: Inputs, tmp_path: Path) -> None:
    wins = 0
    for turn in range(10):
        place = f"{address}-{turn}"
        runs = [
            start(*inputs.arguments(0), "--store", place, "--json", cache=tmp_path / f"machine-{turn}-{one}")
            for one in range(2)
        ]
        ended = [(run.communicate(timeout=240), run.returncode) for run in runs]
        codes = sorted(code for _, code in ended)
        assert set(codes) <= {0, 1, 3}, ended
        assert codes.count(1) < 2, ended
        for (_, stderr), code in ended:
            assert ("another writer changed the ledger meanwhile" in stderr) == (code == 1), stderr
            assert "Traceback" not in stderr
        wins += 1 in codes
        number = Store.open(place).run
        assert number == (1 if 1 in codes else 2)
        if number == 1:
            assert dumped(place, tmp_path / "dump") == inputs.dumps[1]
        entries = json.loads(said(on_bucket(place, tmp_path), "status", "--json"))["series"]
        assert entries == json.loads(said(inputs.disk, "status", "--as-of", "1", "--json"))["series"]
    assert wins, "the two never met"


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(15))
def test_killed_at_any_moment_it_is_before_or_after(
    turn: int, server: Server, address: str, inputs: Inputs, tmp_path: Path
) -> None:
    chance, number = random.Random(turn), turn % 2
    company = on_bucket(address, tmp_path)
    for before in range(number):
        assert company.invoke(*inputs.arguments(before)).exit_code in (0, 3)
    run = start(*inputs.arguments(number), "--store", address)
    assert run.stderr is not None
    stream, reached = run.stderr, threading.Event()

    def follow() -> None:
        for line in stream:
            if "commit" in line:
                reached.set()
        reached.set()

    follower = threading.Thread(target=follow)
    follower.start()
    if turn % 3 == 0:
        reached.wait(chance.uniform(0.5, 4))
    else:  # in the middle of the uploads and the commit, mostly
        reached.wait(60)
        threading.Event().wait(chance.uniform(0, 1.2))
    run.send_signal(signal.SIGKILL)
    follower.join()
    run.communicate()
    after = dumped(address, tmp_path / "dump")
    assert after in (inputs.dumps[number], inputs.dumps[number + 1])
    is_in = after == inputs.dumps[number + 1]
    for left in range(number + is_in, 3):
        assert company.invoke(*inputs.arguments(left)).exit_code in (0, 3)
    assert dumped(address, tmp_path / "dump") == inputs.dumps[3]
    store = Store.open(address)
    named = {segment.name for kind in store.kinds() for segment in store.segments(kind)}
    retired = set().union(*(commit.removed for commit in store.commits()))
    strangers = {name for name in store.names if name.startswith("kind=")} - named - retired
    assert not strangers, "the next run sweeps up"


def test_what_is_uploaded_for_a_commit_to_come_is_not_swept(server: Server, address: str) -> None:
    with Store.open(address, create=True).writing() as first:
        first.write("lines", lines(1))
        first.commit(1, {})
    slow = Writer(Store.open(address), [])
    dead = Writer(Store.open(address), [])
    dead.write("lines", lines(7))
    with Store.open(address).writing() as other:
        slow.write("lines", lines(8))
        other.write("lines", lines(2))
        other.commit(2, {})
        names = set(other.store.place.sizes())
    assert not dead._added.keys() & names, "it began before a commit, so that its own cannot come any more"
    assert slow._added.keys() <= names, "it was not there yet when the other looked"


@pytest.mark.slow
def test_compaction_back_up_and_restore(server: Server, address: str, inputs: Inputs, tmp_path: Path) -> None:
    company = on_bucket(address, tmp_path)
    for number in range(3):
        assert company.invoke(*inputs.arguments(number)).exit_code in (0, 3)
    said(company, "backup", "--out", f"{address}-kept")
    assert dumped(f"{address}-kept", tmp_path / "kept") == inputs.dumps[3]
    assert company.invoke(*inputs.arguments(0)).exit_code in (0, 3)
    dump_now = dumped(address, tmp_path / "now")
    assert "files, now" in said(company, "compact")
    assert dumped(address, tmp_path / "compacted") == dump_now
    said(company, "backup", "--out", str(tmp_path / "on-disk"))
    assert dumped(tmp_path / "on-disk", tmp_path / "of-disk") == dump_now
    said(on_bucket(f"{address}-back", tmp_path), "restore", "--from", str(tmp_path / "on-disk"))
    assert dumped(f"{address}-back", tmp_path / "back") == dump_now


@pytest.mark.slow
def test_a_segment_that_was_changed_is_named_and_not_read(
    server: Server, address: str, inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = on_bucket(address, tmp_path)
    assert company.invoke(*inputs.arguments(0)).exit_code in (0, 3)
    segment = Store.open(address).segments("entry_lines")[0].name
    flip(server.objects(tmp_path.name), segment)
    monkeypatch.setenv("LETTRAGE_CACHE", str(tmp_path / "another"))
    for command in (["dump", "--out", str(tmp_path / "out")], ["explain", "R1"]):
        result = company.invoke(*command)
        assert result.exit_code == 1
        assert f"{address}/{segment}: a segment is not what was written" in result.stderr
    assert segment in said(company, "check", expect=1)
    assert "entry_lines" in said(company, "check", "--chain", expect=1)
    result = company.invoke(*inputs.arguments(1))
    assert (result.exit_code, segment in result.stderr) == (1, True), "it would take an entry of the segment back"
    monkeypatch.setenv("LETTRAGE_CACHE", str(tmp_path / "cache"))
    assert segment in said(company, "check", expect=1), "whatever good copies there are"


def test_a_copy_that_was_changed_is_not_read(server: Server, address: str, tmp_path: Path) -> None:
    with Store.open(address, create=True).writing() as writer:
        writer.write("lines", lines(1))
        writer.commit(1, {})
    store = Store.open(address)
    (copy,) = map(Path, store.files("lines"))
    good = copy.read_bytes()
    for bad in (good[:-9] + b"x" + good[-8:], good[:100], b""):
        copy.write_bytes(bad)
        store.verify(["lines"])
        assert copy.read_bytes() == good, "it was brought anew"
    copy.unlink()
    store.verify()
    assert copy.read_bytes() == good
    assert copy.parent.parent.stat().st_mode & 0o077 == 0, "nobody else on this machine reads it"


def test_an_answer_that_is_lost_is_looked_for(server: Server, address: str) -> None:
    with Store.open(address, create=True).writing() as writer:
        writer.write("lines", lines(1))
        writer.commit(1, {})
    with Store.open(address).writing() as writer:
        writer.write("lines", lines(2))
        server.tell(f"lose?suffix={log.name_of(2)}")
        writer.commit(2, {})
    assert Store.open(address).run == 2


def test_a_server_that_overwrites_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    try:
        for name, value in server.environment(tmp_path / "cache").items():
            monkeypatch.setenv(name, value)
        server.tell("blind")
        with pytest.raises(StoreError, match="If-None-Match"), Store.open("s3://books/a", create=True).writing():
            pass
    finally:
        server.stop()


def test_what_is_wrong_is_said_without_secrets(
    server: Server, address: str, inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = on_bucket(address, tmp_path)

    def refused(*, code: int = 1) -> str:
        texts = []
        for command in (["status"], inputs.arguments(0)):
            result = company.invoke(*command)
            assert result.exit_code == code, result.output
            assert "Traceback" not in result.output
            for secret in (SECRET, KEY, "AKIANOTOURS", "a-token"):
                assert secret not in result.output
            texts.append(result.stderr)
        return "".join(texts)

    company.store = "s3://no-such-bucket/x"  # type: ignore[assignment]
    assert refused().count("there is no bucket of that name") == 2
    company.store = address  # type: ignore[assignment]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANOTOURS")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token")
    assert refused().count("403 InvalidAccessKeyId: it does not accept the credentials") == 2
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert refused().count("no answer from 127.0.0.1") == 2
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    assert refused(code=2).count("AWS_ALLOW_HTTP=true") == 2
    for name, wrong in (
        ("AWS_ENDPOINT_URL", "nonsense"),
        ("AWS_ENDPOINT_URL", f"https://user:{SECRET}@host"),
        ("AWS_ENDPOINT_URL", "https://host:port"),
        ("AWS_SECRET_ACCESS_KEY", f"{SECRET}\n"),
        ("AWS_REGION", ""),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, wrong)
            assert refused(code=2).count(f"{name}: this variable") == 2


@pytest.mark.parametrize("address", ["s3://", "s3://B/x", "s3://books//x", "s3://books/../x", "s3:///x"])
def test_an_address_that_can_be_none_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="no address of a bucket"):
        place_of(address)


def test_a_missing_library_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(UsageError, match="lettrage\\[s3\\]"):
        place_of("s3://books/x")


def test_an_upload_that_waits_for_long_is_made_anew(
    server: Server, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(address, create=True).writing() as writer:
        writer.write("lines", lines(1))
        (name,) = writer._added
        obstore.delete(server.objects(address.rpartition("/")[2]), name)
        place = writer.store.place
        assert isinstance(place, Bucket)
        place._uploaded[name] -= 3600
        writer.commit(1, {})
    assert Store.open(address).broken_segments() == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_thirty_runs_end_in_order(server: Server, address: str, inputs: Inputs) -> None:
    for turn in range(30):
        run = start(*inputs.arguments(turn % 3), "--store", address, "--json")
        stdout, stderr = run.communicate(timeout=240)
        assert (run.returncode in (0, 3), stderr) == (True, ""), (turn, run.returncode, stderr)
        assert json.loads(stdout)["run"] == turn + 1
    store = Store.open(address)
    assert len(log.checkpoints(store.names)) == 3, (
        "a request for each file after the last of them is what opening costs"
    )
    assert check(store, with_chain=True) == []
