from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pipeline.api import jobs
from pipeline.api.work import REFERENCE_SYNC
from pipeline.stage.reference_place import version_in_force
from tests.api.support import Served, bearer
from tests.api.test_jobs import after_the_start, begun, opened, queued, working
from tests.support import advance

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from pipeline.api.desk import Desk

__all__ = ["opened"]

BROUGHT = {
    "employees": [{"employee": "E9", "name": "Dana Roux", "auxiliary": "ROUX"}],
    "affiliations": [{"employee": "E9", "legal_entity": "FR01", "valid_from": "2024-01-01"}],
}


def rows(client: TestClient, table: str, **headers: str) -> list[Any]:
    answer = client.get(f"/v1/reference/{table}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["rows"]


def test_the_tables_are_listed_and_given_as_json_and_csv(reading: TestClient, books: Served) -> None:
    told = reading.get("/v1/reference").json()
    assert {"table": "employees", "rows": 3} in told["tables"]
    assert [row["employee"] for row in rows(reading, "employees")] == ["E1", "E2", "E3"]
    assert rows(reading, "vat_codes")[0]["rate"] == "10.000"
    answer = reading.get("/v1/reference/employees?format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.splitlines()[1].startswith("E1,Ada")
    assert reading.get("/v1/reference/nothing").status_code == 404


def test_a_page_goes_on_where_the_one_before_ended(reading: TestClient) -> None:
    first = reading.get("/v1/reference/employees?limit=2").json()
    second = reading.get("/v1/reference/employees", params={"limit": 2, "cursor": first["next"]}).json()
    assert [row["employee"] for row in first["rows"] + second["rows"]] == ["E1", "E2", "E3"]
    assert second["next"] is None


def test_a_key_of_an_entity_sees_its_own_and_what_is_of_all(reading: TestClient, books: Served) -> None:
    key = bearer(books.key(entities=("TN01",)))
    assert [row["employee"] for row in rows(reading, "employees", **key)] == ["E3"]
    assert {row["legal_entity"] for row in rows(reading, "legal_entities", **key)} == {"TN01"}
    assert rows(reading, "bank_accounts", **key) == []
    assert {row["legal_entity"] for row in rows(reading, "chart_of_accounts", **key)} == {"*"}
    assert "FR14" not in reading.get("/v1/reference/employees?format=csv", headers=key).text


def test_master_data_is_of_the_whole_group(client: TestClient, company: Served) -> None:
    for key in (company.key(entities=("FR01",)), company.key("read", "export", "post")):
        assert client.post("/v1/reference", json=BROUGHT, headers=bearer(key)).status_code == 403
    assert version_in_force(company.settings.reference) is None


def test_what_is_brought_is_previewed_then_applied_once(client: TestClient, company: Served) -> None:
    preview = client.post("/v1/reference?preview=true", json=BROUGHT)
    assert (preview.status_code, preview.json()["state"]) == (200, "preview"), preview.text
    assert {row["key"] for row in preview.json()["diff"]} >= {"E9"}
    assert len(rows(client, "employees")) == 3
    applied = client.post("/v1/reference", json=BROUGHT)
    assert (applied.status_code, applied.json()["state"], applied.json()["version"]) == (201, "applied", 2)
    assert len(rows(client, "employees")) == 4
    again = client.post("/v1/reference", files={"employees": ("employees.csv", b"employee,name\nE9,Dana Roux\n")})
    assert (again.status_code, again.json()["state"]) == (200, "unchanged"), again.text


@pytest.mark.slow
def test_the_next_batch_is_judged_by_it(client: TestClient) -> None:
    batch = {"advances": [advance("A9", employee="E9")]}
    assert client.post("/v1/batches?preview=true", json=batch).json()["findings"]
    client.post("/v1/reference", json=BROUGHT)
    assert client.post("/v1/batches", json=batch).json()["findings"] == []


@pytest.mark.slow
def test_lines_that_are_wrong_are_in_the_answer(client: TestClient, company: Served) -> None:
    wrong = [{"employee": "E9", "name": "Dana Roux"}, {"employee": "E10", "name": None}]
    told = client.post("/v1/reference", json={"employees": wrong}).json()
    assert (told["state"], told["rejected"]) == ("applied", 1), told
    assert told["findings"][0]["table_name"] == "employees"
    assert str(company.directory) not in str(told)
    refused = client.post("/v1/reference?strict=true", json={"employees": [{"employee": "E11", "name": None}]})
    assert refused.status_code == 409, refused.text
    assert refused.json()["errors"]
    assert len(rows(client, "employees")) == 4


@pytest.mark.slow
def test_what_was_applied_and_not_told_is_told_and_not_applied_again(company: Served, opened: Desk) -> None:
    work, name = working(company), jobs.new_name()
    folder = work.folder(name)
    folder.mkdir(parents=True)
    (folder / "employees.csv").write_text("employee,name\nE9,Dana Roux\n", encoding="utf-8")
    queued(opened, REFERENCE_SYNC, {"on": "2026-03-01", "mode": "changes", "strict": False, "who": "test"}, name)
    said = work.do(begun(opened, work), lambda _: None)
    job = after_the_start(company, name)
    assert job.result is not None
    assert (job.result["state"], job.result["version"]) == ("applied", said["version"])
    assert version_in_force(company.settings.reference) == said["version"] == 2


def test_rows_that_lack_what_names_them_are_rejected_one_by_one(reading: TestClient) -> None:
    told = reading.post("/v1/reference?preview=true", json={"employees": [{"name": "Nobody"}], "axes": []})
    assert told.status_code == 200, told.text
    assert (told.json()["state"], told.json()["rejected"]) == ("preview", 1)


@pytest.mark.slow
def test_a_table_that_would_vanish_whole_is_refused(client: TestClient) -> None:
    refused = client.post("/v1/reference?mode=full", json={"employees": []})
    assert refused.status_code == 409, refused.text
    assert len(rows(client, "employees")) == 3
