"""An S3 server on loopback, as a process of its own: `python -m tests.s3_server`, which prints its port.

It is moto's, with what a test needs around it: it knows one access key and refuses others as S3 does, it takes one
request that writes at a time (moto looks for an object and writes it in two steps, S3 in one), it counts requests, and
it loses an answer when it is told to.

    GET  /-/requests            how many requests of each method there were since this was last asked
    PUT  /-/lose?suffix=.json   does the next PUT of such a name, and answers that it failed
    PUT  /-/blind               from now on overwrites what it was asked to write only where there is nothing
"""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
from werkzeug.test import Client

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY = "AKIALETTRAGETEST"
BUCKET = "books"
_REFUSAL = """<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>InvalidAccessKeyId</Code><Message>The key does not exist.</Message><AWSAccessKeyId>{key}</AWSAccessKeyId></Error>"""


class Server:
    """The WSGI application."""

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._writing = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._to_lose: str | None = None
        self._is_blind = False

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path.startswith("/-/"):
            return self._told(path, parse_qs(environ["QUERY_STRING"]), start_response)
        self._counts[method] += 1
        signed = environ.get("HTTP_AUTHORIZATION", "")
        if f"Credential={KEY}/" not in signed:
            start_response("403 Forbidden", [("Content-Type", "application/xml")])
            return [_REFUSAL.format(key=signed.partition("Credential=")[2].partition("/")[0]).encode()]
        if self._is_blind:
            environ.pop("HTTP_IF_NONE_MATCH", None)
        if method == "GET":
            return self._moto(environ, start_response)
        with self._writing:
            if method == "PUT" and self._to_lose is not None and path.endswith(self._to_lose):
                self._to_lose = None
                list(self._moto(environ, lambda *_: None))
                start_response("500 Internal Server Error", [])
                return [b""]
            return [*self._moto(environ, start_response)]

    def _told(self, path: str, query: dict[str, list[str]], start_response: Any) -> Iterable[bytes]:
        said: dict[str, int] = {}
        if path == "/-/lose":
            self._to_lose = query["suffix"][0]
        elif path == "/-/blind":
            self._is_blind = True
        else:
            said, self._counts = dict(self._counts), Counter()
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(said).encode()]


def main() -> None:
    """Serves until it is killed."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = Server()
    Client(app).put(f"/{BUCKET}", headers={"Authorization": f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-east-1/s3"})
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(server.server_port, flush=True)  # noqa: T201 - whoever starts it reads the port
    server.serve_forever()


if __name__ == "__main__":
    main()
