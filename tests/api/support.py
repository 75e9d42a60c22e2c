"""A company that is served: a ledger, its settings, keys, and a client for each."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.testclient import TestClient

from pipeline.api import keys
from pipeline.api.app import create_app
from pipeline.settings.settings import Settings, load_settings
from pipeline.state.state import opened
from tests.support import Company, advance, expense, order, report, tax, write

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL_RIGHTS = ("read", "export", "post", "admin")

SETTINGS = """
store = "store"
[api]
wait_seconds = 60
requests_per_minute = 100000
"""


class Served(Company):
    """A company with settings beside its ledger."""

    def __init__(self, directory: Path, settings: str = SETTINGS) -> None:
        super().__init__(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self.config = directory / "lettrage.toml"
        self.config.write_text(settings, encoding="utf-8")
        write(directory / "reference", self.reference)
        self._tokens: dict[Any, str] = {}

    @property
    def settings(self) -> Settings:
        return load_settings(self.config)

    def key(self, *rights: str, entities: tuple[str, ...] = ("*",), name: str = "test") -> str:
        """A key, the same for the same wishes."""
        wish = (rights or ALL_RIGHTS, entities, name)
        if wish not in self._tokens:
            with opened(self.settings.state) as state:
                self._tokens[wish] = keys.add(state, name, rights=wish[0], entities=entities)
        return self._tokens[wish]

    @contextlib.contextmanager
    def serving(self) -> Iterator[TestClient]:
        """The application, started; requests bear the key of all rights unless they say otherwise."""
        client = TestClient(
            create_app(self.settings),
            headers=bearer(self.key()),
            raise_server_exceptions=False,
            client=("127.0.0.1", 1),
        )
        with client:
            yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def month() -> dict[str, list[dict[str, str]]]:
    """Movements of two legal entities: E1 and E2 in FR01, E2 in BE01 from mid February, E3 in TN01."""
    return {
        "expense_reports": [
            report("R1", employee="E1"),
            report("R2", employee="E2"),
            report("R3", employee="E2", declared_on="2026-02-20"),
            report("R4", employee="E3"),
        ],
        "expenses": [
            expense("R1", expense="X1", gross="120.00"),
            expense("R2", expense="X1", gross="60.00", expense_type="meal"),
            expense("R3", expense="X1", gross="80.00", incurred_on="2026-02-18"),
            expense("R4", expense="X1", gross="30.000", currency="TND"),
        ],
        "expense_taxes": [tax("X1")],
        "advances": [advance("A1", employee="E1")],
        "payment_orders": [order("PO1", legal_entity="FR01")],
    }


@contextlib.contextmanager
def listening(settings: Settings) -> Iterator[str]:
    """A real server of the installation on loopback, in a thread; gives its address."""
    config = uvicorn.Config(create_app(settings), log_level="critical", lifespan="on", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < deadline, "the server is not there in time"
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive(), "the server did not end"
