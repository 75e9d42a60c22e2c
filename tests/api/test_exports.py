from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.support import Served, bearer
from tests.support import advance

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.testclient import TestClient

ASKED = {"format": "json", "legal_entity": "FR01", "from": "2026-01-01", "through": "2026-12-31"}


def exported(client: TestClient, **asked: Any) -> Any:
    answer = client.post("/v1/exports", json=ASKED | asked)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_an_export_is_made_listed_and_downloaded(client: TestClient) -> None:
    made = exported(client)
    (file,) = made["files"]
    told = client.get(f"/v1/exports/{made['number']}").json()
    assert (told["status"], told["entries"], told["first_on"]) == ("recorded", made["entries"], "2026-01-01")
    assert [row["number"] for row in client.get("/v1/exports?legal_entity=FR01").json()["rows"]] == [1, 3]
    answer = client.get(file["href"])
    assert answer.status_code == 200
    assert hashlib.sha256(answer.content).hexdigest() == file["sha256"]
    assert answer.headers["etag"] == f'"{file["sha256"]}"'
    assert int(answer.headers["content-length"]) == file["bytes"] == len(answer.content)


@pytest.mark.slow
def test_what_the_profile_took_is_not_taken_twice(client: TestClient) -> None:
    exported(client)
    again = client.post("/v1/exports", json=ASKED)
    assert again.status_code == 200
    assert again.json()["number"] is None
    assert len(client.get("/v1/exports").json()["rows"]) == 3


@pytest.mark.slow
def test_it_is_what_the_command_makes(client: TestClient, company: Served, tmp_path: Path) -> None:
    made = exported(client, on="2026-03-01")
    out = tmp_path / "out"
    result = company.invoke("export", "--again", str(made["number"]), "--out", str(out))
    assert result.exit_code == 0, result.output
    (file,) = made["files"]
    assert (out / file["name"]).read_bytes() == client.get(file["href"]).content


@pytest.mark.parametrize("spoilt", ["gone", "changed"])
def test_a_file_that_is_not_there_or_was_changed_is_made_again(
    client: TestClient, company: Served, spoilt: str
) -> None:
    href = client.get("/v1/exports/1").json()["files"][0]["href"]
    content = client.get(href).content
    folder = company.directory / "state" / "made" / "1"
    if spoilt == "gone":
        shutil.rmtree(folder)
    else:
        (folder / href.rpartition("/")[2]).write_bytes(b"x" * len(content))
    assert client.get(href).content == content


def test_the_control_sheet_comes_along(reading: TestClient) -> None:
    answer = reading.get("/v1/exports/1/files/control_1_FR01_csv.csv")
    assert answer.status_code == 200
    assert answer.text.startswith("section,journal,account")


@pytest.mark.parametrize(
    "name",
    ["..%2F..%2Flettrage.toml", "..%2Fserve.lock", "%2Fetc%2Fpasswd", "%2E%2E", "control_1_..%2F..%2Fx", "x.csv"],
)
def test_no_name_leads_out_of_the_folder(reading: TestClient, name: str) -> None:
    answer = reading.get(f"/v1/exports/1/files/{name}")
    assert answer.status_code == 404
    assert "store" not in answer.text.replace("restore", "")


# ------------------------------------------------------------------------------------------------ ranges, conditions


@pytest.fixture
def file(reading: TestClient) -> tuple[str, bytes, str]:
    href = reading.get("/v1/exports/1").json()["files"][0]["href"]
    answer = reading.get(href)
    return href, answer.content, answer.headers["etag"]


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=10-19", slice(10, 20)),
        ("bytes=100-", slice(100, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=0-999999999", slice(0, None)),
        ("bytes=-999999999", slice(0, None)),
        ("BYTES = 3-5", slice(3, 6)),
    ],
)
def test_a_range_gives_its_part(reading: TestClient, file: tuple[str, bytes, str], asked: str, part: slice) -> None:
    href, content, tag = file
    answer = reading.get(href, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == content[part]
    first, last, size = part.indices(len(content))[0], len(content[: part.stop]) - 1, len(content)
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{size}"
    assert answer.headers["etag"] == tag


@pytest.mark.parametrize(
    "asked",
    ["bytes=5-2", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5", "bytes", "", "bytes=" + "9" * 5000 + "-"],
)
def test_a_range_that_is_none_gives_all_of_it(reading: TestClient, file: tuple[str, bytes, str], asked: str) -> None:
    href, content, _ = file
    answer = reading.get(href, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, content)


@pytest.mark.parametrize("asked", ["bytes=999999999-", "bytes=999999-9999999", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(reading: TestClient, file: tuple[str, bytes, str], asked: str) -> None:
    href, content, _ = file
    answer = reading.get(href, headers={"Range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(content)}"
    assert answer.headers["content-type"] == "application/problem+json"


def test_what_the_caller_has_is_not_sent(reading: TestClient, file: tuple[str, bytes, str]) -> None:
    href, content, tag = file
    for condition in (tag, f'"other", {tag}', "*", f"W/{tag}"):
        answer = reading.get(href, headers={"If-None-Match": condition})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert reading.get(href, headers={"If-None-Match": '"other"'}).content == content


def test_a_download_goes_on_only_with_the_same_file(reading: TestClient, file: tuple[str, bytes, str]) -> None:
    href, content, tag = file
    assert reading.get(href, headers={"Range": "bytes=9-", "If-Range": tag}).content == content[9:]
    for other in ('"other"', f"W/{tag}", "Mon, 01 Jan 2024 00:00:00 GMT"):
        answer = reading.get(href, headers={"Range": "bytes=9-", "If-Range": other})
        assert (answer.status_code, answer.content) == (200, content)


def test_head_tells_size_and_tag(reading: TestClient, file: tuple[str, bytes, str]) -> None:
    href, content, tag = file
    answer = reading.head(href)
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (200, b"", tag)
    assert int(answer.headers["content-length"]) == len(content)


# ------------------------------------------------------------------------------------------------------ what is asked


@pytest.mark.slow
def test_an_idempotency_key_stands_for_its_request(client: TestClient, company: Served) -> None:
    key = {"Idempotency-Key": "january"}
    first = client.post("/v1/exports", json=ASKED, headers=key)
    second = client.post("/v1/exports", json=ASKED, headers=key)
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    other = client.post("/v1/exports", json=ASKED | {"format": "csv"}, headers=key)
    assert (other.status_code, other.json()["where"]) == (422, "header.Idempotency-Key")
    # Another caller's key of that name is another.
    theirs = client.post("/v1/exports", json=ASKED, headers=key | bearer(company.key(name="other")))
    assert theirs.json()["number"] is None


def test_respond_async_is_answered_at_once_with_a_job(client: TestClient) -> None:
    answer = client.post("/v1/exports", json=ASKED, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    job = answer.headers["location"]
    assert job == answer.json()["href"]
    while (told := client.get(job).json())["state"] not in ("done", "failed"):
        assert told["result"] is None
    assert (told["state"], told["done_percent"], told["result"]["number"]) == ("done", 100, 3)


def test_a_preview_shows_the_export_and_keeps_nothing(reading: TestClient) -> None:
    answer = reading.post("/v1/exports/preview", json=ASKED | {"format": "csv", "account": "421000"})
    told = answer.json()
    assert answer.status_code == 200
    assert told["number"] is None
    # Two entries of a report came after the export of the fixture, and are quarantined: there is nothing new.
    assert told["entries"] == 0
    told = reading.post("/v1/exports/preview", json=ASKED | {"format": "fixed", "account": "421000"}).json()
    assert told["entries"] > 0
    assert {row["account"] for row in told["balances"]} >= {"421000"}
    assert told["drill"]
    assert told["files"][0]["head"]
    assert len(reading.get("/v1/exports").json()["rows"]) == 2


@pytest.mark.slow
def test_a_cancelled_export_frees_its_entries_and_its_files_are_gone(client: TestClient) -> None:
    made = exported(client)
    assert client.post(f"/v1/exports/{made['number']}/cancel").json()["status"] == "cancelled"
    assert client.get(made["files"][0]["href"]).status_code == 410
    assert client.get(f"/v1/exports/{made['number']}").json()["files"][0]["href"] is None
    assert client.post(f"/v1/exports/{made['number']}/cancel").status_code == 409
    assert exported(client)["entries"] == made["entries"]
    assert [row["number"] for row in client.get("/v1/exports?status=cancelled").json()["rows"]] == [made["number"]]


@pytest.mark.slow
def test_an_export_of_the_ledger_as_it_was(client: TestClient) -> None:
    assert client.post("/v1/batches", json={"advances": [advance("A9")]}).status_code == 201
    then = exported(client, as_of=2)
    now = exported(client)
    assert (then["run"], now["run"], now["entries"]) == (2, 3, 1)


@pytest.mark.slow
def test_an_entity_that_pays_at_its_exports_gets_its_order(client: TestClient) -> None:
    brought = {"advances": [advance("A9", legal_entity="XP01", kind="third_party", movement="reimbursement")]}
    assert client.post("/v1/batches", json=brought).status_code == 201
    made = exported(client, legal_entity="XP01", **{"from": None})
    assert made["number"] == 3
    assert client.get("/v1/documents/payment_order/export-3").status_code == 200


@pytest.mark.slow
def test_the_banks_file_is_always_the_same(reading: TestClient) -> None:
    first, second = reading.get("/v1/orders/PO1/file"), reading.get("/v1/orders/PO1/file")
    assert first.status_code == 200
    assert first.content == second.content
    assert first.headers["etag"] == second.headers["etag"]
    assert first.content.startswith(b"<?xml")
    part = reading.get("/v1/orders/PO1/file", headers={"Range": "bytes=5-9"})
    assert part.content == first.content[5:10]


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"format": "nothing"}, 404, "there is no format nothing"),
        ({"format": "../../etc/passwd"}, 404, "there is no format"),
        ({"format": None, "profile": "../lettrage"}, 404, "there is no profile"),
        ({"format": None}, 422, "give either profile or format"),
        ({"legal_entity": "ZZ99"}, 404, "there is no legal entity ZZ99"),
        ({"from": "2026-02-01", "through": "2026-01-01"}, 422, "ends before it begins"),
        ({"from": "01/02/2026"}, 422, "no day"),
        ({"from": 1767225600}, 422, "no day"),
        ({"as_of": 99}, 404, "the ledger has no run 99"),
        ({"format": "pain001"}, 422, "payments of an order"),
        ({"format": "fec_import", "legal_entity": "BE01"}, 409, "SIREN"),
        ({"colour": "red"}, 422, "Extra inputs"),
    ],
)
def test_what_cannot_be_exported_is_said(reading: TestClient, asked: dict[str, Any], status: int, said: str) -> None:
    answer = reading.post("/v1/exports", json=ASKED | asked)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["detail"]
    assert len(reading.get("/v1/exports").json()["rows"]) == 2


def test_a_file_is_of_the_kind_that_its_format_is_and_not_of_what_its_ending_is_elsewhere(client: TestClient) -> None:
    for form, kind in (
        ("sage_100_pnm", "application/octet-stream"),
        ("json", "application/jsonl"),
        ("fec", "text/plain"),
    ):
        made = exported(client, format=form)
        assert client.get(made["files"][0]["href"]).headers["content-type"].partition(";")[0] == kind, form


def test_of_head_there_is_no_range(reading: TestClient, file: tuple[str, bytes, str]) -> None:
    href, content, _ = file
    for asked in ("bytes=0-4", "bytes=999999999-"):
        answer = reading.head(href, headers={"Range": asked})
        assert (answer.status_code, int(answer.headers["content-length"])) == (200, len(content))


def test_of_files_that_nobody_asked_for_only_so_many_bytes_stay(
    client: TestClient, company: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.api.files.MOST_KEPT", 1)
    made = company.settings.state / "made"
    os.utime(made / "1", (1, 1))
    exported(client, legal_entity="BE01")
    assert {path.name for path in made.iterdir()} == {"2", "3"}, "those of the last hour stay"
    (file,) = client.get("/v1/exports/1").json()["files"]
    assert hashlib.sha256(client.get(file["href"]).content).hexdigest() == file["sha256"], "made again"
