"""What a command loads before it answers: time on a busy machine proves little, what is imported proves the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import Company

#: what costs tens of milliseconds or more to load
HEAVY = {
    "deltalake",
    "duckdb",
    "fastapi",
    "filelock",
    "numpy",
    "openpyxl",
    "pandera",
    "paramiko",
    "polars",
    "pyarrow",
    "pydantic",
    "rich",
    "structlog",
}
_LOADED = """
import json, sys
from click.testing import CliRunner
from pipeline.cli import main
results = [CliRunner().invoke(main, arguments) for arguments in json.loads(sys.argv[1])]
print(json.dumps([[result.exit_code for result in results], [name for name in sys.modules if "." not in name]]))
"""


def loaded(*commands: list[str]) -> set[str]:
    """The heavy packages that a new process has loaded once it has given these commands."""
    ended = subprocess.run(
        [sys.executable, "-c", _LOADED, json.dumps(commands)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    codes, modules = json.loads(ended.stdout)
    assert codes == [0] * len(commands), ended.stdout
    return HEAVY & set(modules)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    company = Company(tmp_path_factory.mktemp("company"))
    company.run(expect=(0,))
    return str(company.store)


def test_help_loads_nothing_heavy() -> None:
    assert loaded(["--help"], ["run", "--help"], ["export", "--help"], ["status", "--help"], ["--version"]) == set()


def test_status_loads_no_more_than_it_takes_to_read_a_few_rows(store: str) -> None:
    assert loaded(["status", "--store", store]) == {"deltalake", "duckdb", "rich"}


def test_machines_that_ask_for_status_need_no_tables_drawn(store: str) -> None:
    assert loaded(["status", "--store", store, "--json"]) == {"deltalake", "duckdb"}
