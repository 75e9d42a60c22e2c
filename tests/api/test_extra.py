"""The API is an extra: without it the rest works, and what needs it says so."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.api.server import serve
from pipeline.errors import RunError, SettingsError
from pipeline.settings.settings import Settings

ROOT = Path(__file__).parents[2]


def test_without_the_extra_serve_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(SettingsError, match=r"lettrage\[serve\]"):
        serve(Settings(store="store"), host="127.0.0.1", port=0)


def test_keys_are_made_without_the_extra() -> None:
    program = "import sys; sys.modules['fastapi'] = sys.modules['starlette'] = None; import pipeline.api.keys"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "no host at all"])
def test_an_address_that_cannot_be_listened_on_is_said(tmp_path: Path, host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(RunError, match="cannot be listened on"):
        serve(Settings(store=str(tmp_path / "store"), state=tmp_path / "state"), host=host, port=taken.getsockname()[1])
