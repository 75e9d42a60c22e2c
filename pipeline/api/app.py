"""The API as an application: `create_app` gives it for the settings of an installation (docs/api.md)."""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from filelock import FileLock, Timeout
from starlette.exceptions import HTTPException

from pipeline.api import routes_batches, routes_exports, routes_ledger, routes_reference, routes_system
from pipeline.api.desk import Desk, desk
from pipeline.api.files import Made
from pipeline.api.gate import Gate
from pipeline.api.here import Here, no_strangers
from pipeline.api.openapi import described
from pipeline.api.problems import Problem, of_error, of_http, of_validation
from pipeline.api.work import Work
from pipeline.api.worker import Worker
from pipeline.errors import LettrageError, StateError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from pipeline.settings.settings import Settings

#: requests that are answered at once; more of them wait
THREADS = 64
NOT_FOUND = 404


class Api(FastAPI):
    """FastAPI with our own description."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI of the API, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = described(self)
        return self.openapi_schema


class _Gated:
    """Puts the gate before the application, once the state is open."""

    def __init__(self, app: ASGIApp, *, owner: FastAPI) -> None:
        self._app, self._owner = app, owner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gate: Gate | None = getattr(self._owner.state, "gate", None)
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif gate is None:
            problem = Problem(503, "the server is not ready", headers={"Retry-After": "1"})
            await problem.response()(scope, receive, send)
        else:
            await gate.through(self._app, scope, receive, send)


def create_app(settings: Settings) -> FastAPI:
    """The application for an installation. What it keeps open is opened when it starts, and closed when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        with alone(settings), desk(settings.state) as opened:
            served = _served(settings, opened)
            app.state.here = served
            app.state.gate = Gate(desk=opened, settings=settings)
            served.worker.start()
            try:
                yield
            finally:
                app.state.gate = None
                await anyio.to_thread.run_sync(served.worker.stop)

    app = Api(
        title="Lettrage",
        version=version("lettrage"),
        summary="The ledger of expense reports over HTTP: exports, balances, batches.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        redirect_slashes=False,
    )
    app.state.routes = list(app.routes)
    for module in (routes_exports, routes_ledger, routes_batches, routes_reference, routes_system):
        app.include_router(module.router, dependencies=[Depends(no_strangers)])
        app.state.routes.extend(module.router.routes)
    _tell_problems(app, settings)
    app.add_middleware(_Gated, owner=app)
    return app


def _served(settings: Settings, opened: Desk) -> Here:
    made = Made(settings.state)
    work = Work(settings, made)
    return Here(settings, opened, made, work, Worker(opened, work))


class alone:  # noqa: N801 - used as a function
    """Holds the state for one server: two would do each other's jobs. Raises: StateError where there is another."""

    def __init__(self, settings: Settings) -> None:
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = FileLock(settings.state / "serve.lock", timeout=0)

    def __enter__(self) -> None:
        try:
            self._lock.acquire()
        except Timeout:
            raise StateError(
                "another `lettrage serve` has this state", where="state", mend="end it, or give this one its own state"
            ) from None

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _tell_problems(app: FastAPI, settings: Settings) -> None:
    """Makes every answer that is an error a problem (RFC 9457)."""

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if error.status_code == NOT_FOUND and isinstance(error, Problem):
            # Whether it is not there or another's: who looks for it is written down.
            request.state.seen.refused = request.state.caller.entities is not None
        return of_http(error, request).response()

    @app.exception_handler(RequestValidationError)
    async def validation(_: Request, error: RequestValidationError) -> Response:
        return of_validation(error).response()

    @app.exception_handler(LettrageError)
    async def ours(_: Request, error: LettrageError) -> Response:
        return of_error(error, settings).response()
