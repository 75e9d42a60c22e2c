"""A client that is generated from docs/openapi.json walks through a day."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from pipeline.api.openapi import PAGE
from tests.api.generated import Generated, UnlikeError
from tests.api.support import Served
from tests.support import advance, expense, order, report

if TYPE_CHECKING:
    from starlette.testclient import TestClient

DOCUMENT = json.loads(PAGE.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_a_day(client: TestClient, company: Served) -> None:
    api = Generated(DOCUMENT, client.request, company.key())
    used = set()

    def did(name: str) -> str:
        used.add(name)
        return name

    assert getattr(api, did("health"))().body == {"status": "ok"}
    assert getattr(api, did("ready"))().body["run"] == 2

    # The morning: master data, and the batch of the night.
    new = {
        "employees": [{"employee": "E9", "name": "Dana Roux", "iban": "FR1420041010050500013M02606"}],
        "affiliations": [{"employee": "E9", "legal_entity": "FR01", "valid_from": "2024-01-01"}],
    }
    assert getattr(api, did("post_reference"))(new, mode="changes").status == 201
    tables = getattr(api, did("list_reference"))().body
    assert (tables["version"], {one["table"]: one["rows"] for one in tables["tables"]}["employees"]) == (2, 4)
    assert len(getattr(api, did("get_reference"))(table="employees").body["rows"]) == 4
    batch = {
        "expense_reports": [report("R30", employee="E9")],
        "expenses": [expense("R30", gross="250.00")],
        "advances": [advance("A30", employee="E9", amount="100.00", occurred_on="2026-01-03")],
        "payment_orders": [order("PO30")],
    }
    preview = api.post_batch(batch, preview=True)
    assert (preview.status, preview.body["is_preview"], preview.body["findings"]) == (200, True, [])
    posted = getattr(api, did("post_batch"))(batch, idempotency_key="2026-02-01", on="2026-02-01")
    assert posted.status == 201
    assert posted.body["entries"] == preview.body["entries"]
    assert posted.body["payments"][0]["amount"] == "150.0000"
    again = api.post_batch(batch, idempotency_key="2026-02-01", on="2026-02-01")
    assert again.body == posted.body
    assert getattr(api, did("get_batch"))(job=posted.body["job"]).body["result"] == posted.body

    # What it did.
    accounts = getattr(api, did("list_employee_accounts"))(legal_entity="FR01").body["rows"]
    assert {row["employee"]: row["third_party"] for row in accounts}["E9"] == "0.0000"
    assert getattr(api, did("list_balances"))(as_of=3, as_of_date="2026-01-31").body["as_of_run"] == 3
    assert getattr(api, did("list_open_items"))(legal_entity="BE01").body["rows"]
    assert getattr(api, did("list_quarantine"))(state="all").body["rows"]
    assert getattr(api, did("list_runs"))(limit=1).body["next"]
    told = getattr(api, did("explain_document"))(kind="expense_report", document="R30").body
    assert told["stories"][0]["key"]["employee"] == "E9"

    # The evening: an export, looked at first, downloaded in two parts.
    assert getattr(api, did("list_formats"))().body["rows"]
    assert getattr(api, did("list_profiles"))().body["rows"] == []
    asked = {"format": "fec", "legal_entity": "FR01", "from": "2026-01-01", "through": "2026-12-31"}
    seen = getattr(api, did("preview_export"))(asked | {"account": "421000"})
    assert seen.body["number"] is None
    queued = getattr(api, did("make_export"))(asked, prefer="respond-async")
    assert queued.status == 202
    while (job := getattr(api, did("get_job"))(job=queued.body["job"]).body)["state"] != "done":
        assert job["state"] in ("waiting", "running")
    made = job["result"]
    assert made["entries"] == seen.body["entries"]
    (file,) = getattr(api, did("get_export"))(number=made["number"]).body["files"]
    where = {"number": made["number"], "name": file["name"]}
    assert int(getattr(api, did("look_at_file"))(**where).headers["content-length"]) == file["bytes"]
    first = getattr(api, did("download_file"))(**where, range="bytes=0-999")
    assert (first.status, len(first.body)) == (206, 1000)
    rest = api.download_file(**where, range="bytes=1000-", if_range=first.headers["etag"])
    assert hashlib.sha256(first.body + rest.body).hexdigest() == file["sha256"]
    assert api.download_file(**where, if_none_match=first.headers["etag"]).status == 304
    assert getattr(api, did("download_order"))(order="PO30").body.startswith(b"<?xml")

    # It was the wrong month.
    assert getattr(api, did("cancel_export"))(number=made["number"]).body["status"] == "cancelled"
    assert api.download_file(**where).status == 410
    assert [row["status"] for row in getattr(api, did("list_exports"))(profile="fec").body["rows"]] == ["cancelled"]
    assert getattr(api, did("list_jobs"))(state="failed").body["rows"] == []
    assert getattr(api, did("list_audit"))(limit=3).body["rows"][0]["path"].endswith("/cancel")
    assert used == api.operations, "every operation has its place in the day"
    company.check()


def test_what_is_wrong_is_answered_as_the_openapi_says(reading: TestClient, books: Served) -> None:
    api = Generated(DOCUMENT, reading.request, books.key())
    assert api.get_export(number=99).status == 404
    assert api.list_balances(as_of=99).status == 404
    assert api.list_balances(cursor="nonsense").status == 422
    assert api.make_export({"format": "nothing", "legal_entity": "FR01"}).status == 404
    assert Generated(DOCUMENT, reading.request, "ltr_wrong").list_runs().status == 401
    assert Generated(DOCUMENT, reading.request, books.key("read")).list_audit().status == 403
    with pytest.raises(UnlikeError):
        api.make_export({"format": "csv", "colour": "red"})
