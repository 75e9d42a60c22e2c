"""`lettrage serve`: the API by uvicorn, in one process (polars must not be forked)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import SettingsError
from pipeline.watch import logs

if TYPE_CHECKING:
    from pipeline.settings.settings import Settings

#: seconds that requests under way have to end when the server is asked to
_GRACE = 10


def serve(settings: Settings, *, host: str, port: int) -> None:
    """Serves until it is asked to end (SIGTERM, Ctrl-C).

    Raises: SettingsError where the extra is not installed, StateError where another server has the state.
    """
    try:
        import uvicorn  # noqa: PLC0415 - an extra: see below

        from pipeline.api.app import alone, create_app  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise SettingsError(
            f"the API is not installed ({error.name} is missing)", mend="pip install 'lettrage[serve]'"
        ) from None
    with alone(settings):
        app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        workers=1,
        lifespan="on",
        server_header=False,
        access_log=False,
        timeout_graceful_shutdown=_GRACE,
        **logs.for_uvicorn(),
    )
    uvicorn.Server(config).run()
