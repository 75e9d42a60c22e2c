"""The OpenAPI: fresh, with examples that are right, and true of the server (schemathesis tries)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from pipeline.api import gate, openapi
from tests.api.support import Served, bearer, listening, month

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOLD = openapi.text()
DOCUMENT = json.loads(TOLD)
#: what the schema cannot say: a cursor is one that was given, a period ends after it began, files are tables
_BEYOND_THE_SCHEMA = ("query.cursor", "header.Idempotency-Key", "body")


def test_the_page_is_fresh() -> None:
    assert openapi.PAGE.read_text(encoding="utf-8") == TOLD, "make docs"


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            yield operation["operationId"], operation


def bodies(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What an operation takes and answers, by media type."""
    named = DOCUMENT["components"]["responses"]
    for said in operation["responses"].values():
        answer = named[said["$ref"].rpartition("/")[2]] if "$ref" in said else said
        yield from answer.get("content", {}).values()
    yield from operation.get("requestBody", {}).get("content", {}).values()


def within(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that finds the parts that it names."""
    return {**schema, "components": DOCUMENT["components"]}


@pytest.mark.parametrize(("name", "operation"), list(operations()), ids=[name for name, _ in operations()])
def test_every_request_and_answer_has_an_example_that_is_right(name: str, operation: dict[str, Any]) -> None:
    for media in bodies(operation):
        if media["schema"].get("format") == "binary":
            continue
        assert "example" in media, name
        validator = jsonschema_rs.validator_for(within(media["schema"]))
        assert not [error.message for error in validator.iter_errors(media["example"])], (name, media["example"])


@pytest.mark.parametrize(("name", "operation"), list(operations()), ids=[name for name, _ in operations()])
def test_every_operation_tells_its_errors_and_what_it_does(name: str, operation: dict[str, Any]) -> None:
    wanted = {"405", "500", "503"} if name == "health" else {"400", "401", "403", "404", "405", "413", "422", "429"}
    assert wanted <= set(operation["responses"])
    assert operation["description"]
    for parameter in operation.get("parameters", []):
        assert parameter.get("description") or parameter["schema"].get("description") or parameter["in"] == "path"


def test_no_amount_is_a_number() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for column, said in schema.get("properties", {}).items():
            assert said.get("type") != "number", (name, column)


# ------------------------------------------------------------------------------------------------------ schemathesis


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A real server whose ledger the requests may spoil, and its key."""
    folder: Path = tmp_path_factory.mktemp("tried")
    company = Served(folder)
    company.run(**month())
    before, gate.WRONG_KEYS = gate.WRONG_KEYS, 1_000_000
    with listening(company.settings) as url:
        yield url, company.key()
    gate.WRONG_KEYS = before


def holds(case: Any, address: tuple[str, str]) -> None:
    """Sends a request and holds the answer to the OpenAPI."""
    url, token = address
    answer = case.call(base_url=url, headers=bearer(token))
    excluded = []
    if answer.status_code == 422 and case.method != "HEAD":
        where = answer.json().get("where")
        if where in _BEYOND_THE_SCHEMA or case.media_type == "multipart/form-data":
            excluded.append(positive_data_acceptance)
    case.validate_response(answer, headers=bearer(token), excluded_checks=excluded)


def schema(*, coverage: bool) -> Any:
    made = schemathesis.openapi.from_dict(DOCUMENT)
    made.config.phases.coverage.enabled = coverage
    return made


few, many = schema(coverage=False), schema(coverage=True)


@few.include(method="GET").parametrize()
@settings(max_examples=1, derandomize=True, deadline=None, database=None)
def test_a_few_requests_that_schemathesis_makes(address: tuple[str, str], case: Any) -> None:
    holds(case, address)


@pytest.mark.slow
@many.parametrize()
@settings(max_examples=25, derandomize=True, deadline=None, database=None)
def test_many_requests_that_schemathesis_makes(address: tuple[str, str], case: Any) -> None:
    holds(case, address)
