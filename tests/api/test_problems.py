from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.api import gate
from pipeline.api.limits import Rate
from pipeline.api.paging import Cursor
from pipeline.api.problems import of_error, shown
from pipeline.errors import InvariantError, RunError, StoreBusyError, StoreError
from pipeline.settings.settings import Settings
from tests.api.support import SETTINGS, Served, bearer
from tests.support import advance

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.testclient import TestClient


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/exports/99", 404),
        ("GET", "/v1/exports/0", 422),
        ("GET", "/v1/exports/99999999999999999999", 422),
        ("DELETE", "/v1/exports", 405),
        ("GET", "/v1/exports/preview", 405),
        ("GET", "/v1/balances?limit=0", 422),
        ("GET", "/v1/balances?limit=1000000", 422),
        ("GET", "/v1/balances?cursor=nonsense", 422),
        ("GET", "/v1/balances?cursor=WzEsMV0", 422),
        ("GET", "/v1/balances?legal_entiy=FR01", 422),
        ("GET", "/v1/balances?as_of_date=yesterday", 422),
        ("GET", "/v1/balances?as_of_date=1767225600", 422),
        ("GET", "/v1/balances?legal_entity=a%00b", 422),
        ("GET", "/v1/jobs/nothing", 422),
        ("GET", "/v1/jobs/00", 404),
        ("GET", "/v1/documents/invoice/R1", 422),
        ("GET", "/v1/documents/expense_report/" + "x" * 300, 422),
        ("GET", "/v1/documents/expense_report/%FF%FE", 404),
        ("GET", "/docs", 404),
        ("GET", "/v1/exports/", 404),
    ],
)
def test_every_error_is_a_problem(reading: TestClient, method: str, path: str, status: int) -> None:
    answer = reading.request(method, path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == status
    assert told["type"].startswith("urn:lettrage:problem:")
    assert told["title"]
    assert told["detail"]
    assert len(answer.headers["x-request-id"]) >= 8
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_method_that_is_not_known_names_those_that_are(reading: TestClient) -> None:
    assert reading.delete("/v1/exports").headers["allow"] == "GET, POST"


def test_a_request_id_is_given_back(reading: TestClient) -> None:
    assert reading.get("/v1/ready", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert reading.get("/v1/ready", headers={"X-Request-ID": "a b\r"}).headers["x-request-id"] != "a b\r"


def test_no_other_site_may_read_it(reading: TestClient) -> None:
    answer = reading.get("/v1/ready", headers={"Origin": "https://example.org"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def settings_at(folder: Path) -> Settings:
    places = {name: folder / name for name in ("reference", "profiles", "out", "state")}
    return Settings(store=str(folder / "store"), **places)


def test_no_error_tells_a_path_of_the_server(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    for text in (
        f"{tmp_path}/store/kind=runs/1.parquet: changed",
        f"{tmp_path / 'state' / 'jobs' / 'ab12' / 'advances.csv'} line 3",
        "the file /usr/lib/python3/x.py is gone",
        f"cannot open '{tmp_path}/reference/employees.csv'",
    ):
        told = shown(text, settings)
        assert str(tmp_path) not in told
        assert "/usr" not in told
    assert shown("entry FR01/VE/2026/12 of 01/02", settings) == "entry FR01/VE/2026/12 of 01/02"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoreBusyError("x"), 503),
        (StoreError("x"), 500),
        (InvariantError("x"), 500),
        (RunError("x"), 422),
        (ValueError("the secret"), 500),
    ],
)
def test_each_error_has_its_status(tmp_path: Path, error: Exception, status: int) -> None:
    problem = of_error(error, settings_at(tmp_path))
    assert problem.status_code == status
    assert "secret" not in problem.what
    assert ("Retry-After" in (problem.headers or {})) == (status == 503)


def test_a_fault_is_told_without_what_it_is(
    client: TestClient, company: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise KeyError("the secret")

    monkeypatch.setattr("pipeline.api.reads.runs", fails)
    answer = client.get("/v1/runs")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"]


def test_a_broken_ledger_is_said_and_nothing_else_is(client: TestClient, company: Served) -> None:
    for segment in company.store.glob("kind=balances/*.parquet"):
        segment.write_bytes(b"x" * segment.stat().st_size)
    answer = client.get("/v1/balances")
    assert answer.status_code == 500
    assert "not what was written" in answer.json()["detail"]
    assert str(company.directory) not in answer.text


@pytest.mark.slow
def test_a_ledger_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    company = Served(tmp_path / "new")
    with company.serving() as client:
        assert client.get("/v1/ready").json()["run"] == 0
        for path in ("balances", "employees", "open-items", "quarantine", "runs", "exports"):
            assert client.get(f"/v1/{path}").json()["rows"] == []
        assert client.get("/v1/balances?legal_entity=FR01").status_code == 404
        assert client.post("/v1/batches", json={"advances": [advance("A1")]}).status_code == 201
        assert client.get("/v1/balances?legal_entity=FR01").json()["rows"]


# --------------------------------------------------------------------------------------------------------- limits


def test_a_bucket_refills_with_time() -> None:
    now = [0.0]
    rate = Rate(60, clock=lambda: now[0])
    assert [rate.take("a") for _ in range(60)] == [0.0] * 60
    assert rate.take("a") == pytest.approx(1.0)
    assert rate.take("b") == 0.0
    now[0] += 1.0
    assert rate.take("a") == 0.0
    assert rate.take("a") > 0


def test_a_key_that_asks_too_often_waits(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "books")
    company = Served(tmp_path / "books", SETTINGS.replace("100000", "5"))
    other = bearer(company.key(name="other"))
    with company.serving() as client:
        statuses = [client.get("/v1/jobs").status_code for _ in range(8)]
        assert statuses == [200] * 5 + [429] * 3
        refused = client.get("/v1/jobs")
        assert 1 <= int(refused.headers["retry-after"]) <= 12
        assert client.get("/v1/health").status_code == 200
        rows = client.get("/v1/audit", headers=other).json()["rows"]
        assert len([row for row in rows if row["status"] == 429]) == 1, "one row in a row of refusals"


def test_wrong_keys_are_told_so_a_few_times_and_a_right_one_still_opens(client: TestClient, company: Served) -> None:
    wrong = bearer("ltr_0123456789abcdef_" + "x" * 43)
    statuses = [client.get("/v1/jobs", headers=wrong).status_code for _ in range(gate.WRONG_KEYS + 3)]
    assert statuses == [401] * gate.WRONG_KEYS + [429] * 3
    assert client.get("/v1/jobs").status_code == 200


def test_a_body_that_is_too_large_is_refused_while_it_comes(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "books")
    company = Served(tmp_path / "books", SETTINGS + "largest_body_mb = 1\n")
    large = b"x" * (1 << 20)
    with company.serving() as client:
        for sent in (
            {"files": {"advances": ("advances.csv", large)}},
            {"content": large + b"x", "headers": {"Content-Type": "application/json"}},
            # Without a length it is counted.
            {"content": iter([large, b"x", large]), "headers": {"Content-Type": "application/json"}},
            {
                "content": iter([b"--x\r\n", large, large]),
                "headers": {"Content-Type": "multipart/form-data; boundary=x"},
            },
        ):
            answer = client.post("/v1/batches", **sent)
            assert answer.status_code == 413, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
        assert client.post("/v1/exports", content=large + b"x").status_code == 413
        rows = client.get("/v1/audit").json()["rows"]
        assert [row["status"] for row in rows][:5] == [413] * 5


# ------------------------------------------------------------------------------------------------------ audit, pages


def test_what_changes_something_is_written_down(client: TestClient, company: Served) -> None:
    made = client.post("/v1/exports", json={"format": "json", "legal_entity": "FR01"}, headers={"X-Request-ID": "abc"})
    client.get("/v1/balances")
    client.get("/v1/balances", headers={"Authorization": ""})
    refused, row, *_ = client.get("/v1/audit").json()["rows"]
    assert (refused["path"], refused["status"], refused["key_id"]) == ("/v1/balances", 401, None)
    assert (row["method"], row["path"], row["status"], row["legal_entity"]) == ("POST", "/v1/exports", 201, "FR01")
    assert (row["request_id"], row["job"]) == ("abc", made.json()["job"])
    assert len(row["digest"]) == 64
    assert company.key() not in client.get("/v1/audit").text


def pages(client: TestClient, path: str, limit: int) -> list[Any]:
    rows, cursor = [], None
    while True:
        asked = {"limit": limit} | ({} if cursor is None else {"cursor": cursor})
        told = client.get(path, params=asked).json()
        assert len(told["rows"]) <= limit
        rows += told["rows"]
        cursor = told["next"]
        if cursor is None:
            return rows


@pytest.mark.parametrize(
    "path", ["/v1/balances", "/v1/employees", "/v1/open-items", "/v1/quarantine", "/v1/runs", "/v1/exports"]
)
def test_pages_add_up_to_the_list(reading: TestClient, path: str) -> None:
    whole = reading.get(path).json()["rows"]
    assert len(whole) > 1
    assert pages(reading, path, 1) == whole


@pytest.mark.slow
def test_pages_of_jobs_and_of_the_audit_log_add_up(client: TestClient) -> None:
    for number in range(3):
        client.post("/v1/exports", json={"format": "json", "legal_entity": "TN01", "on": f"2026-03-0{number + 1}"})
    assert len(pages(client, "/v1/jobs", 2)) == len(client.get("/v1/jobs").json()["rows"]) >= 3
    assert len(pages(client, "/v1/audit", 2)) == len(client.get("/v1/audit").json()["rows"]) >= 3


@pytest.mark.slow
def test_a_page_is_of_the_run_of_the_first_whatever_came_since(client: TestClient) -> None:
    first = client.get("/v1/balances?limit=2").json()
    assert client.post("/v1/batches", json={"advances": [advance("A0", legal_entity="BE01")]}).status_code == 201
    rest = client.get("/v1/balances", params={"legal_entity": "BE01", "cursor": first["next"]})
    assert rest.status_code == 422, "the cursor is of the same parameters"
    rows, cursor = first["rows"], first["next"]
    while cursor is not None:
        told = client.get("/v1/balances", params={"limit": 2, "cursor": cursor}).json()
        assert told["as_of_run"] == 2
        rows, cursor = rows + told["rows"], told["next"]
    assert rows == client.get("/v1/balances?as_of=2").json()["rows"]


def test_a_cursor_of_a_number_that_nobody_counts_to_is_no_cursor(reading: TestClient) -> None:
    for path, question in (("/v1/audit", ["audit"]), ("/v1/balances", ["balances", None, None, None])):
        answer = reading.get(path, params={"cursor": Cursor(10**30).told(question)})
        assert (answer.status_code, answer.json()["where"]) == (422, "query.cursor"), path


def test_a_form_where_none_is_taken_may_not_be_large(client: TestClient) -> None:
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = client.post("/v1/exports", content=b"x" * (gate.LARGEST_QUESTION + 1), headers=form)
    assert answer.status_code == 413


def test_requests_without_a_key_are_written_down_a_few_times(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = Rate(gate.WRONG_KEYS, clock=lambda: 0.0)
    monkeypatch.setattr(client.app.state.gate, "_wrong", stopped)  # type: ignore[attr-defined]  # an Api
    nobody = {"Authorization": ""}
    # Others have asked the company before that this one is a copy of.
    before = {row["number"] for row in client.get("/v1/audit").json()["rows"]}
    statuses = [client.get("/v1/jobs", headers=nobody).status_code for _ in range(gate.WRONG_KEYS + 3)]
    assert statuses == [401] * gate.WRONG_KEYS + [429] * 3
    rows = client.get("/v1/audit").json()["rows"]
    assert len([row for row in rows if row["key_id"] is None and row["number"] not in before]) == gate.WRONG_KEYS + 1


def test_of_a_long_path_the_beginning_is_written_down(client: TestClient) -> None:
    client.get("/v1/" + "x" * 9_000, headers={"Authorization": ""})
    assert client.get("/v1/audit").json()["rows"][0]["path"] == ("/v1/" + "x" * 9_000)[:500]
