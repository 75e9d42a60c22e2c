"""The OpenAPI of the API, with an example of every request and answer; `make docs` writes it to docs/openapi.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

from pipeline.api.models import ProblemTold
from pipeline.api.problems import MEDIA_TYPE, TYPES

if TYPE_CHECKING:
    from fastapi import FastAPI

PAGE = Path(__file__).parents[2] / "docs" / "openapi.json"
_DESCRIPTION = """
The ledger of expense reports, advances and payments over HTTP.

- Every request bears a key: `Authorization: Bearer ltr_…`, or `X-API-Key`. A key has rights (read, export, post, admin)
  and legal entities; what is of others is not there for it.
- Amounts are texts, exact to the last decimal. Days are written 2026-01-31.
- What takes longer than some seconds is answered 202 with a job; `/v1/jobs/{job}` says how far it is.
- Errors are `application/problem+json` (RFC 9457): what is wrong, where, and what to do about it.
- Long lists come in pages: give `next` as `cursor`.
"""
_OPEN = ("/v1/health",)
#: what any request may be answered besides what an endpoint says of itself
_ANY = (400, 401, 403, 404, 405, 408, 413, 422, 429, 500, 503)
_MORE: dict[str, tuple[int, ...]] = {
    "make_export": (409,),
    "preview_export": (409,),
    "cancel_export": (409,),
    "download_file": (409, 410, 416),
    "look_at_file": (409, 410, 416),
    "download_order": (409, 416),
    "post_batch": (409, 415),
    "post_reference": (409, 415),
}


def described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI of an application."""
    said = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=_DESCRIPTION,
        routes=app.routes,
        license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
    )
    schemas = said["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = ProblemTold.model_json_schema(mode="serialization")
    said["components"]["responses"] = {
        f"Problem{status}": _problem(status)
        for status in sorted({*_ANY, *(one for more in _MORE.values() for one in more)})
    }
    said["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "`ltr_…`, made by `lettrage keys add`"},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    said["security"] = [{"bearer": []}, {"header": []}]
    for path, methods in said["paths"].items():
        for operation in methods.values():
            _complete(operation, schemas, is_open=path in _OPEN)
    for schema in schemas.values():
        schema.setdefault("title", "")
    return said


def _complete(operation: dict[str, Any], schemas: dict[str, Any], *, is_open: bool) -> None:
    """Adds the errors and the examples of an operation."""
    responses = operation["responses"]
    if is_open:
        operation["security"] = []
    errors = (405, 500, 503) if is_open else (*_ANY, *_MORE.get(operation["operationId"], ()))
    for status in errors:
        responses[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    operation["responses"] = dict(sorted(responses.items()))
    contents = [answer.get("content", {}) for answer in responses.values()]
    contents.append(operation.get("requestBody", {}).get("content", {}))
    for content in contents:
        for media in content.values():
            schema = media.get("schema", {})
            if "example" not in media and schema.get("format") != "binary":
                media["example"] = example_of(schema, schemas)


def _problem(status: int) -> dict[str, Any]:
    name, title = TYPES[status]
    example = {"type": f"urn:lettrage:problem:{name}", "title": title, "status": status, "detail": f"{title}."}
    answer: dict[str, Any] = {
        "description": title,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
    }
    if status in (429, 503):
        answer["headers"] = {"Retry-After": {"schema": {"type": "string"}, "description": "seconds to wait"}}
    return answer


def example_of(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """An example of a schema, made of those of its parts."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    given = [schema[name][0] for name in ("examples", "enum") if schema.get(name)]
    given += [schema[name] for name in ("const", "default") if name in schema and schema.get("type") != "array"]
    if given:
        return given[0]
    if "properties" in schema:
        return {name: example_of(one, schemas) for name, one in schema["properties"].items()}
    choices = [schema[name][0] for name in ("anyOf", "oneOf", "allOf") if name in schema]
    if choices:
        return example_of(choices[0], schemas)
    if schema.get("type") == "array":
        return [example_of(schema["items"], schemas)]
    return {"string": "text", "integer": 1, "number": 1, "boolean": True, "object": {}}.get(schema.get("type", ""))


def text() -> str:
    """The OpenAPI as it stands in docs/openapi.json."""
    from pipeline.api.app import create_app  # noqa: PLC0415 - the application imports this module
    from pipeline.settings.settings import Settings  # noqa: PLC0415 - likewise

    return json.dumps(create_app(Settings(store="store")).openapi(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
