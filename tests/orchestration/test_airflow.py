"""The example DAG, imported by a real Airflow in an environment of its own (make airflow)."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import click
import pytest

from pipeline.cli import main
from tests.tidy.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = ROOT / ".venv-airflow" / "bin" / "python"
DAG = ROOT / "deploy" / "airflow" / "lettrage_dag.py"
LOOK = ROOT / "tests" / "orchestration" / "airflow_look.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="apache-airflow is not installed: make airflow (.venv-airflow)"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home: Path = tmp_path_factory.mktemp("airflow")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "LETTRAGE"))}
    environment |= {"AIRFLOW_HOME": str(home), "LETTRAGE_ENTITIES": "FR01,FR02,BE01"}
    call = [PYTHON, LOOK, DAG, "0", "1", "2", "3"]
    done = subprocess.run(call, env=environment, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_airflow_imports_it_and_can_keep_it(found: dict[str, Any]) -> None:
    assert found["errors"] == {}
    assert found["serialized"] > 0
    assert found["max_active_runs"] == 1


def test_the_tasks_follow_one_another(found: dict[str, Any]) -> None:
    assert {name: task["after"] for name, task in found["tasks"].items()} == {
        "run": [],
        "nothing_new_in_quarantine": ["run"],
        "tell_accounting": ["nothing_new_in_quarantine"],
        "check": ["run"],
        "export": ["check"],
        "deliver": ["export"],
    }
    assert found["tasks"]["export"]["mapped"] == 3


def test_quarantine_is_told_and_stops_nothing(found: dict[str, Any]) -> None:
    assert found["tasks"]["nothing_new_in_quarantine"]["skips_on"] == [3]
    assert found["tasks"]["tell_accounting"]["trigger_rule"] == "all_skipped"


def test_each_exit_code_ends_a_task_as_it_should(found: dict[str, Any]) -> None:
    assert found["ends"] == {"0": 0, "1": "AirflowException", "2": "AirflowFailException", "3": 3}
    assert {name for name, task in found["tasks"].items() if task["retries"]} == {
        "run",
        "tell_accounting",
        "export",
        "deliver",
    }


def test_the_commands_that_it_calls_exist(found: dict[str, Any]) -> None:
    for task in found["tasks"].values():
        words = shlex.split(task["call"])
        if "lettrage" not in words[0]:
            continue
        command = main.commands[words[1]]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, task["call"]
        required = {one.opts[0] for one in command.params if isinstance(one, click.Option) and one.required}
        assert required <= set(words), task["call"]
