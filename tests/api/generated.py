"""A client made of the OpenAPI alone: a method an operation; what goes out and comes back is held to its schema.

    client = Generated(document, send, token)
    client.list_balances(legal_entity="FR01")

It knows nothing of this API but the document, as a client that a program generates from it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import jsonschema_rs

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Answered:
    """An answer that is as the OpenAPI says. body: of JSON what it says, else bytes."""

    status: int
    headers: Any
    body: Any


class UnlikeError(AssertionError):
    """What was sent or answered is not as the OpenAPI says."""


class Generated:
    """The client. send: sends method, path, headers, parameters and body, as httpx's `request` does."""

    def __init__(self, document: dict[str, Any], send: Callable[..., Any], token: str) -> None:
        self._document, self._send, self._token = document, send, token
        self._operations = {
            operation["operationId"]: (method, path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }

    @property
    def operations(self) -> set[str]:
        return set(self._operations)

    def __getattr__(self, name: str) -> Callable[..., Answered]:
        if name not in self._operations:
            raise AttributeError(name)
        return lambda body=None, *, files=None, **given: self._call(name, body, files, given)

    def _call(self, name: str, body: Any, files: Any, given: dict[str, Any]) -> Answered:
        method, path, operation = self._operations[name]
        headers, query = {"Authorization": f"Bearer {self._token}"}, {}
        for parameter in operation.get("parameters", []):
            known = re.sub(r"\W", "_", parameter["name"]).lower()
            if known not in given:
                if parameter["required"]:
                    raise UnlikeError(f"{name} needs {known}")
                continue
            value = given.pop(known)
            self._hold(parameter["schema"], value, f"{name}: {known}")
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if parameter["in"] == "path":
                path = path.replace("{" + parameter["name"] + "}", quote(text, safe=""))
            else:
                {"query": query, "header": headers}[parameter["in"]][parameter["name"]] = text
        if given:
            raise UnlikeError(f"{name} does not know {', '.join(given)}")
        sent: dict[str, Any] = {}
        takes = operation.get("requestBody", {}).get("content", {})
        if body is not None:
            self._hold(takes["application/json"]["schema"], body, f"{name}: body")
            sent = {"json": body}
        if files is not None:
            assert "multipart/form-data" in takes
            sent = {"files": files}
        answer = self._send(method.upper(), path, headers=headers, params=query, **sent)
        return self._checked(name, operation, answer)

    def _checked(self, name: str, operation: dict[str, Any], answer: Any) -> Answered:
        said = operation["responses"].get(str(answer.status_code))
        if said is None:
            raise UnlikeError(f"{name} answers {answer.status_code}, which is not told: {answer.text}")
        said = self._found(said)
        if not answer.content:
            return Answered(answer.status_code, answer.headers, None)
        kind = answer.headers["content-type"].partition(";")[0]
        media = said["content"].get(kind) or said["content"].get("*/*")
        if media is None:
            raise UnlikeError(f"{name} answers {kind}, which is not told")
        if not kind.endswith("json") or media["schema"].get("format") == "binary":
            return Answered(answer.status_code, answer.headers, answer.content)
        told = json.loads(answer.content)
        self._hold(media["schema"], told, f"{name}: {answer.status_code}")
        return Answered(answer.status_code, answer.headers, told)

    def _found(self, said: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in said:
            return said
        found: Any = self._document
        for part in said["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return found  # type: ignore[no-any-return]

    def _hold(self, schema: dict[str, Any], value: Any, where: str) -> None:
        validator = jsonschema_rs.validator_for({**schema, "components": self._document["components"]})
        wrong = [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(value)]
        if wrong:
            raise UnlikeError(f"{where} is not as the OpenAPI says: {wrong[:3]}")
