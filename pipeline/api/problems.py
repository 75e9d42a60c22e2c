"""What went wrong, for the one who asked: application/problem+json (RFC 9457), never a traceback, never a path."""

from __future__ import annotations

import re
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from pipeline.errors import (
    BrokenReferenceError,
    ExportError,
    ForbiddenError,
    LettrageError,
    ReplacedError,
    RunError,
    SettingsError,
    StateError,
    StoreBusyError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import Request
    from fastapi.exceptions import RequestValidationError
    from starlette.responses import Response

    from pipeline.settings.settings import Settings

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:lettrage:problem:"
#: seconds after which it is worth trying again
RETRY_SECONDS = 2
_PATH = re.compile(r"(?<![\w:/.])(?:/[^\s/:,;'\"()]+)+/([^\s/:,;'\"()]+)")

#: what each status is called, and how a reader may tell what happened by the type alone
TYPES: dict[int, tuple[str, str]] = {
    400: ("malformed-request", "The request cannot be read"),
    401: ("no-valid-key", "A valid API key is needed"),
    403: ("not-allowed", "The key does not allow this"),
    404: ("not-found", "There is no such thing"),
    405: ("method-not-allowed", "The address knows no such method"),
    408: ("too-slow", "The request did not come to its end"),
    409: ("conflict", "What is there stands against it"),
    410: ("gone", "It was there, and is cancelled"),
    413: ("too-large", "The request is too large"),
    415: ("unsupported-media-type", "The body is of a kind that is not read here"),
    416: ("range-not-satisfiable", "The file has no such bytes"),
    422: ("invalid-request", "What is asked for cannot be done"),
    429: ("too-many-requests", "Too many requests"),
    500: ("fault", "Something went wrong here"),
    503: ("busy", "Not at the moment"),
}


class Problem(HTTPException):
    """A request that is not done. what, mend, where: as of a LettrageError; errors: each thing that is wrong."""

    def __init__(
        self,
        status: int,
        what: str,
        *,
        mend: str | None = None,
        where: str | None = None,
        errors: list[dict[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, what, dict(headers or {}))
        self.what, self.mend, self.where, self.errors = what, mend, where, errors

    def as_dict(self) -> dict[str, Any]:
        """The body of the answer."""
        name, title = TYPES.get(self.status_code, ("problem", HTTPStatus(self.status_code).phrase))
        said = {
            "type": _TYPE + name,
            "title": title,
            "status": self.status_code,
            "detail": self.what,
            "mend": self.mend,
            "where": self.where,
            "errors": self.errors,
        }
        return {key: value for key, value in said.items() if value is not None}

    @classmethod
    def of_dict(cls, said: Mapping[str, Any]) -> Problem:
        """The problem that as_dict gave."""
        status = int(said["status"])
        return cls(
            status,
            said["detail"],
            mend=said.get("mend"),
            where=said.get("where"),
            errors=said.get("errors"),
            headers={"Retry-After": str(RETRY_SECONDS)} if status == HTTPStatus.SERVICE_UNAVAILABLE else None,
        )

    def response(self) -> Response:
        """The answer."""
        return JSONResponse(self.as_dict(), self.status_code, self.headers, MEDIA_TYPE)


def not_found(what: str, *, mend: str | None = None) -> Problem:
    """Said alike of what is not there and of what is not the key's to see."""
    return Problem(404, f"there is no {what} that this key may see", mend=mend)


_STATUS: tuple[tuple[type[LettrageError], int], ...] = (
    (StoreBusyError, 503),
    (ReplacedError, 503),
    (StateError, 503),
    (ForbiddenError, 403),
    (BrokenReferenceError, 409),
    (SettingsError, 500),
    (UsageError, 422),
    (ExportError, 409),
)


def of_error(error: BaseException, settings: Settings) -> Problem:
    """The problem that an error is told as; of one that nobody expected nothing is told."""
    if not isinstance(error, LettrageError):
        return Problem(500, "something went wrong here that is no fault of the request", mend="the log has more of it")
    # A run that fails by itself says so of what is in its batch: its subclasses speak of the store.
    otherwise = 422 if type(error) is RunError else 500
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), otherwise)
    mend = None if error.mend is None else shown(error.mend, settings)
    return Problem(
        status,
        shown(error.what, settings),
        mend=mend,
        where=None if error.where is None else shown(error.where, settings),
        headers={"Retry-After": str(RETRY_SECONDS)} if status == HTTPStatus.SERVICE_UNAVAILABLE else None,
    )


def shown(text: str, settings: Settings) -> str:
    """A text without what it tells of the server's folders: names of files stay."""
    places = {
        settings.store: "store",
        **{str(getattr(settings, name)): name for name in ("reference", "profiles", "out", "state")},
    }
    for place, name in sorted(places.items(), key=lambda pair: -len(pair[0])):
        for spelt in {place, str(Path(place).resolve()) if not place.startswith("s3://") else place}:
            text = text.replace(spelt, name)
    return _PATH.sub(r"\1", text)


def of_validation(error: RequestValidationError) -> Problem:
    """The problem of a request that is not as the OpenAPI says; what was sent is not repeated."""
    errors = [
        {
            "where": ".".join(str(part) for part in fault["loc"]),
            "what": str(fault["msg"]).removeprefix("Value error, "),
        }
        for fault in error.errors()
    ]
    if any(fault["type"] == "json_invalid" for fault in error.errors()):
        return Problem(400, "the body is no JSON", errors=errors)
    said = errors[0] if errors else {"where": "request", "what": "it is not as the OpenAPI says"}
    return Problem(422, said["what"], where=said["where"], errors=errors, mend="/v1/openapi.json says what it takes")


def of_http(error: HTTPException, request: Request) -> Problem:
    """The problem of what the framework refuses by itself."""
    if isinstance(error, Problem):
        return error
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # Methods of one address may be those of several routes.
        found = [route for route in request.app.state.routes if route.matches(request.scope)[0] is not Match.NONE]
        allowed = sorted({method for route in found for method in getattr(route, "methods", None) or ()})
        headers = {"Allow": ", ".join(allowed)}
    said = {
        404: f"there is nothing at {request.url.path}",
        405: f"{request.url.path} does not know {request.method}",
        400: "the body cannot be read",
    }
    return Problem(error.status_code, said.get(error.status_code, str(error.detail)), headers=headers)
