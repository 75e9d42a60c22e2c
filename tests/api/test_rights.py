from __future__ import annotations

import json
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.api.limits import Rate
from pipeline.errors import InvariantError
from schemas import REFERENCE
from tests.api.support import Served, bearer
from tests.support import advance, expense, report

if TYPE_CHECKING:
    from starlette.testclient import TestClient

ENTITIES = ("FR01", "BE01", "TN01")
#: what is of each legal entity alone, and would tell of it wherever it stood
OWN = {
    "FR01": ("R1", "R2", "R5", "A1", "PO1", "MOREAU"),
    "BE01": ("R3", "R6", "A2"),
    "TN01": ("R4", "E3"),
}
PATHS = (
    "/v1/balances",
    "/v1/employees",
    "/v1/open-items",
    "/v1/quarantine",
    "/v1/quarantine?state=all",
    "/v1/runs",
    "/v1/exports",
    "/v1/jobs",
    "/v1/audit",
    "/v1/profiles",
    "/v1/exports/1",
    "/v1/exports/2",
    *(f"/v1/documents/expense_report/R{number}" for number in range(1, 8)),
    "/v1/documents/advance/A1",
    "/v1/documents/advance/A2",
    "/v1/documents/payment_order/PO1",
    "/v1/orders/PO1/file",
    *(f"/v1/reference/{table}" for table in REFERENCE),
)


def test_without_a_key_nothing_is_told_but_health(reading: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading.app.state.gate, "_wrong", Rate(1_000))  # type: ignore[attr-defined]  # an Api
    nobody = {"Authorization": ""}
    assert reading.get("/v1/health", headers=nobody).json() == {"status": "ok"}
    for path in (*PATHS, "/v1/openapi.json", "/v1/ready", "/v1/formats", "/", "/v1/nothing"):
        answer = reading.get(path, headers=nobody)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_key_is_taken_from_either_header(reading: TestClient, books: Served) -> None:
    assert reading.get("/v1/ready", headers={"Authorization": "", "X-API-Key": books.key()}).status_code == 200
    assert reading.get("/v1/ready", headers=bearer(books.key())).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "right"),
    [
        ("GET", "/v1/balances", "read"),
        ("GET", "/v1/exports", "read"),
        ("GET", "/v1/quarantine", "read"),
        ("POST", "/v1/exports/preview", "read"),
        ("POST", "/v1/exports", "export"),
        ("GET", "/v1/exports/1/files/x.csv", "export"),
        ("GET", "/v1/orders/PO1/file", "export"),
        ("POST", "/v1/batches", "post"),
        ("POST", "/v1/exports/1/cancel", "admin"),
        ("GET", "/v1/audit", "admin"),
    ],
)
def test_each_right_is_needed_and_no_other_stands_for_it(
    reading: TestClient, books: Served, method: str, path: str, right: str
) -> None:
    others = tuple(one for one in ("read", "export", "post", "admin") if one != right)
    body: dict[str, Any] = {"json": {"format": "csv", "legal_entity": "FR01"}} if method == "POST" else {}
    answer = reading.request(method, path, headers=bearer(books.key(*others)), **body)
    assert answer.status_code == 403
    assert right in answer.json()["detail"]


def foreign_rows(told: Any, own: set[str]) -> list[Any]:
    """What a body tells of legal entities that are not the caller's."""
    found = []
    if isinstance(told, dict):
        entities = [told.get("legal_entity"), *(told.get("legal_entities") or [])]
        if any(entity not in (None, "*") and entity not in own for entity in entities):
            found.append(told)
        told = list(told.values())
    if isinstance(told, list):
        found += [row for one in told for row in foreign_rows(one, own)]
    return found


SCOPES = [
    pytest.param(("FR01",), (), id="FR01 fast"),
    *(
        pytest.param(scope, ENTITIES, id="-".join(scope), marks=pytest.mark.slow)
        for size in (1, 2)
        for scope in combinations(ENTITIES, size)
    ),
]


@pytest.mark.parametrize(("scope", "asks"), SCOPES)
def test_no_endpoint_gives_a_row_of_another_entity(
    reading: TestClient, books: Served, scope: tuple[str, ...], asks: tuple[str, ...]
) -> None:
    headers = bearer(books.key(entities=scope))
    foreign = [name for entity in ENTITIES if entity not in scope for name in (entity, *OWN[entity])]
    answered = 0
    for path in PATHS if asks else (*PATHS[:17], "/v1/documents/advance/A2", "/v1/reference/employees"):
        for asked in ("", *asks):
            if asked and path.startswith(
                ("/v1/jobs", "/v1/audit", "/v1/profiles", "/v1/exports/", "/v1/orders", "/v1/ref")
            ):
                continue
            query = f"{'&' if '?' in path else '?'}legal_entity={asked}" if asked else ""
            answer = reading.get(path + query, headers=headers)
            if answer.status_code == 404:
                continue
            assert answer.status_code == 200, (path, answer.text)
            answered += 1
            if asked:
                assert asked in scope, f"{path} answers for {asked}"
            text = answer.text
            if path != "/v1/audit":  # it repeats the paths that this key has asked for
                assert not [name for name in foreign if f'"{name}' in text or f"{name}/" in text], (path, text)
            if "json" in answer.headers["content-type"]:
                assert not foreign_rows(answer.json(), set(scope)), path
    assert answered >= 12


def test_what_is_anothers_and_what_is_not_there_are_answered_alike(reading: TestClient, books: Served) -> None:
    headers = bearer(books.key(entities=("FR01",)))
    for theirs, nobodys in (
        ("/v1/balances?legal_entity=BE01", "/v1/balances?legal_entity=ZZ99"),
        ("/v1/exports/2", "/v1/exports/77"),
        ("/v1/exports/2/files/x.csv", "/v1/exports/77/files/x.csv"),
        ("/v1/documents/advance/A2", "/v1/documents/advance/A77"),
        ("/v1/orders/PO77/file", "/v1/orders/PO78/file"),
    ):
        first, second = reading.get(theirs, headers=headers), reading.get(nobodys, headers=headers)
        assert first.status_code == second.status_code == 404
        names = {"BE01": "·", "ZZ99": "·", "export 2": "·", "export 77": "·", "A2": "·", "A77": "·"} | {
            "PO77": "·",
            "PO78": "·",
        }
        said = [answer.text for answer in (first, second)]
        for name, dot in names.items():
            said = [text.replace(name, dot) for text in said]
        assert said[0] == said[1]


def test_a_key_of_an_entity_exports_it_and_no_other(company: Served, client: TestClient) -> None:
    headers = bearer(company.key(entities=("BE01",)))
    asked = {"format": "json", "from": "2026-01-01"}
    assert client.post("/v1/exports", json=asked | {"legal_entity": "BE01"}, headers=headers).status_code in (200, 201)
    refused = client.post("/v1/exports", json=asked | {"legal_entity": "FR01"}, headers=headers)
    assert refused.status_code == 404
    assert client.post("/v1/exports/1/cancel", headers=headers).status_code == 404
    (row, *_) = client.get("/v1/audit").json()["rows"]
    assert (row["path"], row["status"]) == ("/v1/exports/1/cancel", 404)


def test_a_profile_of_another_entity_is_not_listed(company: Served, client: TestClient) -> None:
    folder = company.directory / "profiles"
    folder.mkdir()
    (folder / "paris.toml").write_text('format = "csv"\nentity = "FR01"\n', encoding="utf-8")
    (folder / "any.toml").write_text('format = "csv"\n', encoding="utf-8")
    (folder / "broken.toml").write_text("format = 7\n", encoding="utf-8")

    def listed(*entities: str) -> list[str]:
        answer = client.get("/v1/profiles", headers=bearer(company.key(entities=entities)))
        return [row["profile"] for row in answer.json()["rows"]]

    assert listed("FR01") == ["any", "paris"]
    assert listed("BE01") == ["any"]
    assert listed("*") == ["any", "broken", "paris"]

    def asked(profile: str, entity: str) -> tuple[int, str]:
        key = bearer(company.key(entities=(entity,)))
        answer = client.post("/v1/exports/preview", json={"profile": profile, "legal_entity": entity}, headers=key)
        return answer.status_code, answer.text.replace(profile, "x")

    assert asked("paris", "FR01")[0] == 200
    assert asked("paris", "BE01") == asked("broken", "BE01") == asked("nothing", "BE01")


# --------------------------------------------------------------------------------------------- what a key may post


def posted(client: TestClient, token: str, **tables: list[dict[str, str]]) -> Any:
    return client.post("/v1/batches", json=tables, headers=bearer(token))


def test_a_key_of_an_entity_posts_to_it(company: Served, client: TestClient) -> None:
    answer = posted(client, company.key(entities=("FR01",)), advances=[advance("A7")])
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert [row["legal_entity"] for row in told["entries"]] == ["FR01"]
    assert told["waiting"] == told["findings"] == []
    assert told["rows"] == [
        {"table_name": "advances", "rows_in": 1}
        | dict.fromkeys(("retried", "posted", "unchanged", "superseded", "ignored", "quarantined"))
    ]


FOREIGN = {
    "an advance of another": {"advances": [advance("A8", legal_entity="BE01")]},
    "one of two": {"advances": [advance("A7"), advance("A8", legal_entity="BE01")]},
    "an expense that names another": {
        "expense_reports": [report("R8")],
        "expenses": [expense("R8", legal_entity="BE01"), expense("R8", expense="X2")],
    },
    "an expense placed in another": {
        "expense_reports": [report("R8", employee="E2")],
        "expenses": [expense("R8", incurred_on="2026-02-18")],
    },
    "a draft that names another": {
        "expense_reports": [report("R8", status="draft")],
        "expenses": [expense("R8", legal_entity="BE01")],
    },
    "a document that another has": {"advances": [advance("A2", version="2")]},
    "the same document again": {
        "advances": [advance("A2", employee="E2", legal_entity="BE01", occurred_on="2026-02-22")]
    },
    "what goes to quarantine": {"advances": [advance("A8", employee="nobody")]},
    "a row that waits alone": {"advances": [advance("A8", version="one")]},
    "a row without its document": {"expenses": [expense("R99")]},
    "what waits since a run before": {
        "expense_reports": [report("R6", version="2", employee="E1")],
        "expenses": [expense("R6", version="2")],
    },
    "a return of a payment that is not there": {
        "payment_returns": [
            {"payment_order": "PO9", "employee": "E1", "returned_on": "2026-02-02", "reason": ""},
        ]
    },
}


_FAST = ("an expense placed in another",)


@pytest.mark.parametrize(
    "tables",
    [
        pytest.param(tables, id=name, marks=[] if name in _FAST else pytest.mark.slow)
        for name, tables in FOREIGN.items()
    ],
)
def test_a_batch_that_touches_anything_else_posts_nothing(
    company: Served, client: TestClient, tables: dict[str, list[dict[str, str]]]
) -> None:
    before = client.get("/v1/ready").json()["run"]
    for preview in ("false", "true") if len(tables) > 1 else ("false",):
        answer = client.post(
            f"/v1/batches?preview={preview}", json=tables, headers=bearer(company.key(entities=("FR01",)))
        )
        assert answer.status_code == 403, answer.text
        assert "BE01" not in answer.text
    assert client.get("/v1/ready").json()["run"] == before


@pytest.mark.slow
def test_what_takes_a_document_out_of_another_entity_is_refused(company: Served, client: TestClient) -> None:
    both = [expense("R9", legal_entity="FR01"), expense("R9", expense="X2", legal_entity="BE01")]
    assert posted(client, company.key(), expense_reports=[report("R9")], expenses=both).status_code == 201
    second = [expense("R9", version="2", legal_entity="FR01", gross="10.00")]
    later = report("R9", version="2", modified_on="2026-02-25")
    refused = posted(client, company.key(entities=("FR01",)), expense_reports=[later], expenses=second)
    assert refused.status_code == 403
    shared = company.key(entities=("FR01", "BE01"))
    assert posted(client, shared, expense_reports=[later], expenses=second).status_code == 201


@pytest.mark.slow
def test_a_job_is_its_keys_own(company: Served, client: TestClient) -> None:
    mine, theirs = company.key(entities=("FR01",)), company.key(entities=("FR01",), name="other")
    simple = company.key("read", entities=("FR01",))
    job = posted(client, mine, advances=[advance("A7")]).json()["job"]
    for path in (f"/v1/jobs/{job}", f"/v1/batches/{job}"):
        assert client.get(path, headers=bearer(mine)).status_code == 200
        assert client.get(path, headers=bearer(theirs)).status_code == 200, "an administrator of the same entity"
        assert client.get(path, headers=bearer(simple)).status_code == 404
        assert client.get(path, headers=bearer(company.key(entities=("BE01",)))).status_code == 404
        assert client.get(path).status_code == 200
    wide = posted(client, company.key(), advances=[advance("A10")]).json()["job"]
    assert client.get(f"/v1/jobs/{wide}", headers=bearer(mine)).status_code == 404
    assert json.dumps(wide) not in client.get("/v1/jobs", headers=bearer(mine)).text


def test_a_broken_reference_is_told_in_full_to_those_who_may_see_it(client: TestClient, company: Served) -> None:
    path = company.directory / "reference" / "employees.csv"
    path.write_text(path.read_text(encoding="utf-8") + "E1,Twice,,,,,\n", encoding="utf-8")
    sent = {"advances": [advance("A7")]}
    whole = client.post("/v1/batches", json=sent)
    part = client.post("/v1/batches", json=sent, headers=bearer(company.key(entities=("FR01",))))
    assert whole.status_code == part.status_code == 409
    assert "E1" in whole.json()["detail"]
    assert "E1" not in part.text
    assert str(company.directory) not in whole.text


def test_a_ledger_before_its_entity_tells_of_no_other(company: Served, client: TestClient) -> None:
    entities = {**company.reference}
    entities["legal_entities"] = [
        *entities["legal_entities"],
        {**entities["legal_entities"][0], "legal_entity": "ZZ01"},
    ]
    company.reference = entities
    company.run(advances=[advance("A9")])
    key = bearer(company.key(entities=("ZZ01",)))
    answer = client.post("/v1/exports/preview", json={"format": "csv", "legal_entity": "ZZ01", "as_of": 1}, headers=key)
    assert answer.status_code == 404
    assert "FR01" not in answer.text
    now = client.post("/v1/exports/preview", json={"format": "csv", "legal_entity": "ZZ01"}, headers=key)
    assert now.status_code == 200, now.text


def test_an_invariant_that_is_broken_tells_a_key_of_one_entity_nothing_of_another(
    company: Served, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise InvariantError("entry 7 of TN01 is not balanced", where="entry_lines")

    monkeypatch.setattr("pipeline.api.work.run", broken)
    brought = {"advances": [advance("A9")]}
    own = client.post("/v1/batches", json=brought, headers=bearer(company.key(entities=("FR01",))))
    assert (own.status_code, "TN01" in own.text) == (500, False)
    assert "TN01" in client.post("/v1/batches", json=brought).json()["detail"]
