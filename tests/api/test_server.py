"""A real server: many clients at once, a writer that nobody waits for, kills at any moment."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2
import pytest

from pipeline.api.download import _blocks
from pipeline.exports.record import exports
from pipeline.ledger.store import Store
from tests.api.support import bearer, listening
from tests.support import advance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.support import Served

CLIENTS = 64
ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def process(company: Served) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`lettrage serve` as a process of its own; gives it and its address. What is left of it is killed."""
    command = [sys.executable, "-m", "pipeline.cli", "serve", "--config", str(company.config), "--port", "0"]
    server = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    said = ""
    try:
        while (found := re.search(r"Serving on (http://\S+)", said)) is None:
            line = server.stderr.readline()
            assert line, f"the server ended: {said}"
            said += line
        reader = threading.Thread(target=server.stderr.read, daemon=True)
        reader.start()
        yield server, found[1]
    finally:
        server.kill()
        server.wait(30)
        server.stderr.close()


def client_of(address: str, token: str) -> httpx2.Client:
    return httpx2.Client(base_url=address, headers=bearer(token), timeout=120)


def finished(client: httpx2.Client, job: str) -> Any:
    deadline = time.monotonic() + 120
    while True:
        told = client.get(f"/v1/jobs/{job}").json()
        if told["state"] in ("done", "failed"):
            return told
        assert time.monotonic() < deadline, told
        time.sleep(0.05)


def outcome(client: httpx2.Client, answer: httpx2.Response) -> tuple[int, Any]:
    """What a request to write came to: where a busy machine answers 202 first, what became of the job."""
    if answer.status_code != 202:
        return answer.status_code, answer.json()
    job = finished(client, answer.json()["job"])
    return (201 if job["state"] == "done" else 500), job["result"]


def at_once(address: str, token: str, paths: list[str]) -> list[tuple[str, int, str, float]]:
    """Asks for each path from a client of its own, all at the same moment: path, status, body, seconds."""
    ready = threading.Barrier(len(paths))

    def ask(path: str) -> tuple[str, int, str, float]:
        with client_of(address, token) as client:
            client.get("/v1/health")
            ready.wait(60)
            began = time.perf_counter()
            answer = client.get(path)
            return path, answer.status_code, answer.text, time.perf_counter() - began

    with ThreadPoolExecutor(len(paths)) as pool:
        return list(pool.map(ask, paths))


PATHS = ("/v1/balances", "/v1/employees", "/v1/open-items", "/v1/exports", "/v1/quarantine", "/v1/runs", "/v1/ready")


@pytest.mark.slow
def test_64_clients_are_answered_alike_while_another_holds_the_lock(company: Served) -> None:
    """Whoever holds the ledger's lock keeps a job waiting, and no reader."""
    token = company.key()
    with listening(company.settings) as address, client_of(address, token) as client:
        expected = {path: client.get(path).text for path in PATHS}
        asked = [PATHS[number % len(PATHS)] for number in range(CLIENTS)]
        with Store.open(company.store).writing():
            posted = client.post("/v1/batches", json={"advances": [advance("A9")]}, headers={"Prefer": "respond-async"})
            assert posted.status_code == 202
            answers = at_once(address, token, asked)
            assert client.get(posted.headers["location"]).json()["state"] == "running"
        assert Counter(status for _, status, _, _ in answers) == {200: CLIENTS}
        for path, _, text, _ in answers:
            if path != "/v1/ready":  # it counts the job
                assert text == expected[path], path
        assert finished(client, posted.json()["job"])["state"] == "done"
        assert client.get("/v1/ready").json()["run"] == 3


@pytest.mark.slow
def test_64_clients_read_and_write_and_every_answer_is_right(company: Served) -> None:
    """48 readers, 12 that post, 4 that export, all at once: every batch is posted once, in some order."""
    token = company.key()
    with listening(company.settings) as address, client_of(address, token) as client:
        before = client.get("/v1/ready").json()["run"]
        ready = threading.Barrier(CLIENTS)

        def go(number: int) -> tuple[str, int, Any]:
            with client_of(address, token) as own:
                ready.wait(60)
                if number < 12:
                    sent = {"advances": [advance(f"P{number}", amount=f"{number + 1}.00")]}
                    answer = own.post("/v1/batches", json=sent, headers={"Idempotency-Key": f"batch-{number}"})
                    return "batch", *outcome(own, answer)
                if number < 16:
                    sent = {"format": ("csv", "json", "fixed", "parquet")[number - 12], "legal_entity": "TN01"}
                    answer = own.post("/v1/exports", json=sent)
                    return "export", *outcome(own, answer)
                answer = own.get(PATHS[number % len(PATHS)])
                return "read", answer.status_code, answer.json()

        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(go, range(CLIENTS)))
        counts = Counter((kind, status) for kind, status, _ in answers)
        assert counts == {("batch", 201): 12, ("export", 201): 4, ("read", 200): 48}
        runs = [told["run"] for kind, _, told in answers if kind == "batch"]
        assert sorted(runs) == list(range(before + 1, before + 13))
        amounts = {told["entries"][0]["amount"] for kind, _, told in answers if kind == "batch"}
        assert amounts == {f"{number}.0000" for number in range(1, 13)}
        numbers = sorted(told["number"] for kind, _, told in answers if kind == "export")
        assert numbers == [3, 4, 5, 6]
    company.check()


def test_a_download_that_was_cut_off_goes_on(company: Served) -> None:
    token = company.key()
    with listening(company.settings) as address, client_of(address, token) as client:
        made = client.get("/v1/exports/1").json()
        (file,) = made["files"]
        whole = client.get(file["href"])
        place = urlsplit(address)
        with socket.create_connection((place.hostname, place.port)) as wire:
            wire.sendall(f"GET {file['href']} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
            got = wire.recv(1 << 16)
        _, _, begun = got.partition(b"\r\n\r\n")
        begun = begun[:100]
        rest = client.get(file["href"], headers={"Range": f"bytes={len(begun)}-", "If-Range": whole.headers["etag"]})
        assert rest.status_code == 206
        assert begun + rest.content == whole.content


def test_a_large_file_is_read_a_block_at_a_time(tmp_path: Path) -> None:
    path, size = tmp_path / "large", 64 << 20
    with path.open("wb") as file:
        file.truncate(size)
    tracemalloc.start()
    read = sum(len(block) for block in _blocks(path, 10, size - 1))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read == size - 10
    assert most < 4 << 20


@pytest.mark.slow
def test_asked_to_end_it_ends_and_what_waits_is_done_by_the_next(company: Served) -> None:
    token = company.key()
    sent = [{"advances": [advance(f"Q{number}")]} for number in range(4)]
    with process(company) as (server, address), client_of(address, token) as client:
        later = {"Prefer": "respond-async"}
        names = [client.post("/v1/batches", json=one, headers=later).json()["job"] for one in sent]
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) in (0, -signal.SIGTERM)
    with process(company) as (_, address), client_of(address, token) as client:
        assert [finished(client, name)["state"] for name in names] == ["done"] * 4
        assert client.get("/v1/ready").json()["run"] == 2 + 4
    company.check()


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_killed_at_any_moment_nothing_is_lost_or_doubled(company: Served, seconds: float) -> None:
    """A batch and two exports are asked for; the server is killed, twice; the third one has done each once."""
    token = company.key()
    asked = [
        ("/v1/batches", {"advances": [advance("K1")]}, "batch"),
        ("/v1/exports", {"format": "json", "legal_entity": "FR01"}, "json"),
        ("/v1/exports", {"format": "fixed", "legal_entity": "BE01"}, "fixed"),
    ]
    names: dict[str, str] = {}
    for attempt in range(3):
        with process(company) as (server, address), client_of(address, token) as client:
            for path, body, key in asked:
                told = client.post(path, json=body, headers={"Prefer": "respond-async", "Idempotency-Key": key})
                assert told.status_code in (200, 201, 202), told.text
                name = told.json()["job"]
                assert names.setdefault(key, name) == name, "the same request gave another job"
            if attempt < 2:
                time.sleep(seconds)
                server.kill()
                continue
            results = {key: finished(client, name) for key, name in names.items()}
    assert {told["state"] for told in results.values()} == {"done"}, results
    store = Store.open(company.store)
    assert store.run == results["batch"]["result"]["run"] == 3
    made = exports(store)
    assert made["export_number"].to_list() == [1, 2, 3, 4]
    assert sorted(made["profile"].to_list()) == ["csv", "csv", "fixed", "json"]
    assert {results[key]["result"]["number"] for key in ("json", "fixed")} == {3, 4}
    lines = company.table("entry_lines").filter(document="K1")
    assert lines.height == 2
    company.check()


def test_a_body_that_stops_coming_is_refused(company: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.api.gate.SLOWEST", 0.2)
    token = company.key()
    with listening(company.settings) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(
                f"POST /v1/batches HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {token}\r\n"
                "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000\r\n\r\n--x\r\n".encode()
            )
            assert connection.recv(1 << 16).startswith(b"HTTP/1.1 408")
    assert not list((company.settings.state / "jobs").glob("*"))
