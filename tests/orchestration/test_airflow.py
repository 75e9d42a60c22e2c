"""The example DAG, imported by a real Airflow in an environment of its own (make airflow)."""

from __future__ import annotations

import json
import os
import shlex
import shutil
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
RUN = ROOT / "tests" / "orchestration" / "airflow_run.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="apache-airflow is not installed: make airflow (.venv-airflow)"),
]


def airflow(home: Path, *arguments: str | Path, **variables: str) -> str:
    """Calls the interpreter of Airflow with a home of its own, and returns the last line that it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "LETTRAGE"))}
    environment |= {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False", **variables}
    done = subprocess.run([PYTHON, *arguments], env=environment, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    entities = {"LETTRAGE_ENTITIES": "FR01,FR02,BE01"}
    said = airflow(tmp_path_factory.mktemp("airflow"), LOOK, DAG, "0", "1", "2", "3", **entities)
    result: dict[str, Any] = json.loads(said)
    return result


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Airflow's own folder, with its database made."""
    directory = tmp_path_factory.mktemp("home")
    (directory / "dags").mkdir()
    shutil.copy(DAG, directory / "dags")
    airflow(directory, "-m", "airflow", "db", "migrate")
    return directory


def made(home: Path, directory: Path, run_ends_with: int) -> tuple[dict[str, Any], list[str]]:
    """Makes the DAG with a stand-in for the command; returns how its tasks ended, and the calls of the stand-in."""
    calls, command = directory / "calls", directory / "lettrage"
    command.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n[ "$1" != run ] || exit {run_ends_with}\n')
    command.chmod(0o755)
    names = ("STORE", "REFERENCE", "BATCHES", "OUT", "PROFILE", "CONFIG")
    variables = {f"LETTRAGE_{name}": name.lower() for name in names}
    variables |= {"LETTRAGE": str(command), "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags")}
    said = airflow(home, RUN, home / "dags" / DAG.name, **variables, LETTRAGE_ENTITIES="FR01,BE01")
    return json.loads(said), calls.read_text().splitlines()


def test_after_quarantine_accounting_is_told_and_all_the_rest_is_done(home: Path, tmp_path: Path) -> None:
    ended, calls = made(home, tmp_path, 3)
    assert ended["state"] == "success"
    assert ended["tasks"] == {
        "run": "success",
        "nothing_new_in_quarantine": "skipped",
        "tell_accounting": "success",
        "check": "success",
        "export[0]": "success",
        "export[1]": "success",
        "deliver": "success",
    }
    assert [call.split()[0] for call in calls].count("export") == 2
    assert "run --store store --reference reference --batch batches/2026-04-02 --json" in calls


def test_wrong_configuration_fails_at_once_and_nothing_follows(home: Path, tmp_path: Path) -> None:
    ended, calls = made(home, tmp_path, 2)
    assert ended["state"] == "failed"
    assert ended["tasks"]["run"] == "failed"
    assert [call.split()[0] for call in calls] == ["run"]


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
