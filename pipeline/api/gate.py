"""What every request passes: its id, its key, how often and how much it may, what is written down of it.

It stands before the framework, so that nothing of a request without a valid key is read.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import re
import secrets
import time
from datetime import datetime
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders

from pipeline.api import audit, keys
from pipeline.api.limits import Rate
from pipeline.api.problems import Problem, of_error
from pipeline.errors import LettrageError
from pipeline.watch import logs

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from pipeline.api.desk import Desk
    from pipeline.settings.settings import Settings

#: where uvicorn tells of errors
_log = logging.getLogger("uvicorn.error")
#: what is answered to anybody
OPEN = ("/v1/health",)
#: requests of one address in a minute, without a key or with a wrong one, that are told so; a right key always opens
WRONG_KEYS = 30
#: what takes tables: only these may be large
TABLES = ("/v1/batches", "/v1/reference")
#: what a body of JSON may hold: all of it is in memory at once
LARGEST_JSON = 20 << 20
#: what any other body may hold
LARGEST_QUESTION = 1 << 20
#: seconds in which more of a body has to come
SLOWEST = 60.0
#: who is remembered for having been written down
_MOST_TOLD = 10_000
#: bytes of the end of a body that are kept: a boundary has at most 70
_TAIL = 256
#: digits of a length that are read
_DIGITS = 18
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_SAFE = ("GET", "HEAD", "OPTIONS")
_TOO_MANY = 429
_REFUSED = (401, 403, 413, _TOO_MANY)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000",
}


class Gate:
    """The outermost layer of the API. state of the scope: `seen`, and `caller` where the path is not open."""

    def __init__(self, *, desk: Desk, settings: Settings) -> None:
        self._desk, self._settings = desk, settings
        self._requests = Rate(settings.api.requests_per_minute)
        self._wrong = Rate(WRONG_KEYS)
        #: who asked too often, and was written down for it
        self._told: set[str] = set()
        self._largest = settings.api.largest_body_mb << 20

    async def through(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Has a request answered by an application, or refuses it."""
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        seen = audit.Seen(
            request_id=given if _REQUEST_ID.match(given) else secrets.token_hex(8),
            address=scope["client"][0] if scope.get("client") else "-",
            method=scope["method"],
            path=scope["path"],
        )
        scope["state"] = {**scope.get("state", {}), "seen": seen}
        answer = _Answer(send, seen)
        began = time.perf_counter()
        with logs.bound(request_id=seen.request_id):
            try:
                problem = await self._problem(scope, headers, seen)
                if problem is None:
                    body = _Body(receive, seen, self._limit(seen.path, headers))
                    await app(scope, body.receive, answer.send)
                    body.told()
                else:
                    await problem.response()(scope, receive, answer.send)
            except Exception as error:
                _log.exception("request %s failed", seen.request_id)
                if answer.status is not None:
                    raise  # half of the answer is out: the connection has to break
                await of_error(error, self._settings).response()(scope, receive, answer.send)
            finally:
                status = answer.status or 500
                await self._write_down(seen, status)
                logs.log().info(
                    "answered",
                    method=seen.method,
                    path=seen.path,
                    status=status,
                    key_id=None if seen.caller is None else seen.caller.key_id,
                    seconds=round(time.perf_counter() - began, 4),
                )

    async def _problem(self, scope: Scope, headers: Headers, seen: audit.Seen) -> Problem | None:
        """Why the request goes no further, None where it does."""
        if seen.path in OPEN:
            return None
        try:
            caller = await self._caller(_token(headers), seen.address)
        except Problem as problem:
            return problem
        except LettrageError as error:
            return of_error(error, self._settings)
        seen.caller = scope["state"]["caller"] = caller
        wait = self._requests.take(caller.key_id)
        if wait:
            return _too_many(wait, "by this key")
        length = headers.get("content-length", "")
        limit = self._limit(seen.path, headers)
        is_larger = length.isdecimal() and int(length[:_DIGITS]) > limit
        return _too_large(limit) if is_larger else None

    async def _caller(self, token: str | None, address: str) -> keys.Caller:
        """Whose key a request bears. Raises: Problem, StateError."""

        def find() -> keys.Caller | None:
            today = datetime.now(self._settings.zone).date()
            with self._desk.reading() as state:
                return None if token is None else keys.find(state, token, today)

        caller = await run_in_threadpool(find)
        if caller is not None:
            return caller
        wait = self._wrong.take(address)
        if wait:
            raise _too_many(wait, "without a valid key from this address")
        raise Problem(
            401,
            "there is no key" if token is None else "the key is unknown, revoked or out of date",
            mend="send `Authorization: Bearer ltr_…`, made by `lettrage keys add`",
            headers={"WWW-Authenticate": 'Bearer realm="lettrage"'},
        )

    def _limit(self, path: str, headers: Headers) -> int:
        if path not in TABLES:
            return min(self._largest, LARGEST_QUESTION)
        is_form = headers.get("content-type", "").lower().startswith("multipart/")
        return self._largest if is_form else min(self._largest, LARGEST_JSON)

    async def _write_down(self, seen: audit.Seen, status: int) -> None:
        """Keeps what changes something or is refused; of one who asks too often the first refusal in a row alone."""
        if seen.path in OPEN or (seen.method in _SAFE and status not in _REFUSED and not seen.refused):
            return
        who = seen.address if seen.caller is None else seen.caller.key_id
        if status != _TOO_MANY:
            self._told.discard(who)
        elif who in self._told:
            return
        else:
            if len(self._told) > _MOST_TOLD:
                self._told.clear()
            self._told.add(who)
        try:
            await run_in_threadpool(audit.write, self._desk, seen, status)
        except LettrageError as error:
            # The request is answered: that it is not written down must not pass unseen.
            logs.log().error("audit failed", what=error.what, status=status, path=seen.path)


def _token(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return headers.get("x-api-key") or None


def _too_many(wait: float, who: str) -> Problem:
    return Problem(
        429,
        f"too many requests {who} in a minute",
        mend="wait as long as Retry-After says",
        headers={"Retry-After": str(max(1, math.ceil(wait)))},
    )


def _too_large(limit: int) -> Problem:
    return Problem(
        413,
        f"the body holds more than {limit:,} bytes",
        mend="send it in parts, or as files (multipart/form-data, Parquet)",
        headers={"Connection": "close"},
    )


def _too_slow() -> Problem:
    return Problem(
        408,
        f"nothing more of the body came for {SLOWEST:g} seconds",
        mend="send it again",
        headers={"Connection": "close"},
    )


class _Answer:
    """Adds to the answer what every answer has, and notes its status."""

    def __init__(self, send: Send, seen: audit.Seen) -> None:
        self._send, self._seen = send, seen
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._seen.request_id
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)


class _Body:
    """Counts a body while it comes, and takes its digest. Raises: Problem where it is too large, or stops coming."""

    def __init__(self, receive: Receive, seen: audit.Seen, limit: int) -> None:
        self._receive, self._seen, self._limit = receive, seen, limit
        self._digest = hashlib.sha256()
        self._size = 0
        self._is_whole = False

    async def receive(self) -> Message:
        try:
            # After its end only the end of the connection comes.
            async with asyncio.timeout(None if self._is_whole else SLOWEST):
                message = await self._receive()
        except TimeoutError:
            raise _too_slow() from None
        if message["type"] == "http.request":
            self._is_whole = not message.get("more_body", False)
            body = message.get("body", b"")
            self._size += len(body)
            if self._size > self._limit:
                raise _too_large(self._limit)
            self._digest.update(body)
            self._seen.tail = (self._seen.tail + body)[-_TAIL:]
        return message

    def told(self) -> None:
        if self._size:
            self._seen.digest = self._digest.hexdigest()
