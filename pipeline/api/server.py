"""`lettrage serve`: the API by uvicorn, in one process (polars must not be forked)."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

from pipeline.errors import RunError, SettingsError
from pipeline.watch import logs

if TYPE_CHECKING:
    from pipeline.settings.settings import Settings

#: seconds that requests under way have to end when the server is asked to
_GRACE = 10


def serve(settings: Settings, *, host: str, port: int) -> None:
    """Serves until it is asked to end (SIGTERM, Ctrl-C).

    Raises: SettingsError where the extra is not installed, StateError where another server has the state, RunError
    where the address cannot be listened on.
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
    try:
        # IPv6 is written with colons.
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, UnicodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no name of a host"
        raise RunError(f"{host} port {port} cannot be listened on ({said})", mend="choose another --port") from None
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
    server = uvicorn.Server(config)
    shown = f"[{host}]" if ":" in host else host
    logging.getLogger("uvicorn.error").info("Serving on http://%s:%d", shown, listener.getsockname()[1])
    with listener:
        server.run(sockets=[listener])
    if not server.started:
        raise RunError("the server did not start: its log says why")
