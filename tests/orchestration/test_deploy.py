"""Units, crontab and containers: systemd takes them, and the commands that they call exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click
import pytest
import yaml

from pipeline.cli import main
from tests.tidy.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
COMMAND = "/opt/lettrage/bin/lettrage"


def hold(words: list[str]) -> None:
    """Holds a call to the command line: the command and its options are there, and so is what it demands."""
    command: click.Command = main
    rest = list(words)
    while isinstance(command, click.Group):
        name = rest.pop(0)
        assert name in command.commands, f"{' '.join(words)}: there is no command {name}"
        command = command.commands[name]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    given = {word for word in rest if word.startswith("--")}
    assert given <= known, words
    assert {one.opts[0] for one in command.params if isinstance(one, click.Option) and one.required} <= given, words


def calls(path: Path) -> list[list[str]]:
    """Lists the calls of lettrage in a file, up to what a shell makes of their output."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    found = re.findall(r'(?:"\$LETTRAGE"|\S*/lettrage|while true; do lettrage) ([a-z][^|;>&\n]*)', "\n".join(lines))
    return [shlex.split(call.removesuffix("2").strip()) for call in found]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_takes_the_unit(path: Path, tmp_path: Path, program: Callable[[str], str]) -> None:
    analyze = program("systemd-analyze")
    for unit in UNITS:
        # The command is there in no test.
        (tmp_path / unit.name).write_text(unit.read_text().replace(COMMAND, "/bin/true"))
    call = [analyze, "verify", "--man=no", str(tmp_path / path.name)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("path", "count"),
    [("systemd/lettrage-due.service", 1), ("systemd/lettrage-serve.service", 1), ("cron/crontab.example", 4)],
)
def test_the_commands_that_are_called_exist(path: str, count: int) -> None:
    found = calls(DEPLOY / path)
    assert len(found) == count
    for words in found:
        hold(words)


def test_quarantine_is_no_failure_and_wrong_settings_are_not_tried_again() -> None:
    assert "SuccessExitStatus=3\n" in (DEPLOY / "systemd" / "lettrage-due.service").read_text()
    assert "RestartPreventExitStatus=2\n" in (DEPLOY / "systemd" / "lettrage-serve.service").read_text()


def test_each_line_of_the_crontab_is_one() -> None:
    lines = [line for line in (DEPLOY / "cron" / "crontab.example").read_text().splitlines() if line and line[0] != "#"]
    settings = [line for line in lines if re.match(r"[A-Z_]+=", line)]
    for line in set(lines) - set(settings):
        assert re.match(r"([\d*/,-]+ +){5}", line), line
        assert "%" not in line  # cron ends a command there
        done = subprocess.run(["bash", "-n", "-c", re.sub(r"^(\S+ +){5}", "", line)], capture_output=True, check=False)
        assert done.returncode == 0, line


def compose() -> dict[str, Any]:
    said: dict[str, Any] = yaml.safe_load((DEPLOY / "container" / "compose.yaml").read_text())
    return said


def test_the_containers_run_commands_that_exist_and_little_else() -> None:
    services = compose()["services"]
    hold(services["serve"]["command"])
    (loop,) = services["due"]["command"]
    hold(shlex.split(loop.split("lettrage ")[1].split(";")[0]))
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in services["serve"]["ports"])


def test_the_image_is_of_one_registry_and_its_user_is_not_root() -> None:
    lines = (DEPLOY / "container" / "Containerfile").read_text().splitlines()
    assert {line.split()[1] for line in lines if line.startswith("FROM")} == {"docker.io/python:3.11-slim"}
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001:10001"]
    copied = [
        word for line in lines if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    ]
    assert all((ROOT / name).exists() for name in copied)


def kubernetes() -> list[dict[str, Any]]:
    """The manifests of a run on a cluster."""
    files = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    return [one for path in files for one in yaml.safe_load_all(path.read_text())]


def containers() -> list[dict[str, Any]]:
    (job,) = (one["spec"] for one in kubernetes() if one["kind"] == "DaskJob")
    cluster = job["cluster"]["spec"]
    return [*(spec["spec"]["containers"][0] for spec in (job["job"], cluster["worker"], cluster["scheduler"]))]


def test_the_pods_of_a_cluster_run_commands_that_exist() -> None:
    job, worker, scheduler = containers()
    command, _, unless = job["args"][0].partition("||")
    words = shlex.split(command.replace('"$DASK_SCHEDULER_ADDRESS"', "tcp://scheduler:8786"))
    hold(words[words.index("run") :])
    # What went to quarantine is no reason to run anew; everything else is.
    for code in range(4):
        ended = subprocess.run(["sh", "-c", f"(exit {code}) || {unless}"], check=False)
        assert ended.returncode == (0 if code in (0, 3) else 1)
    for container in (worker, scheduler):
        said = subprocess.run(
            [sys.executable, "-m", "dask", container["args"][0], "--help"], capture_output=True, text=True, check=True
        ).stdout
        assert all(word in said for word in container["args"] if word.startswith("--"))


def test_the_pods_of_a_cluster_see_one_volume_and_are_reached_by_one_another_alone() -> None:
    job, worker, _ = containers()
    assert job["volumeMounts"] == worker["volumeMounts"]
    claims = [one["metadata"]["name"] for one in kubernetes() if one["kind"] == "PersistentVolumeClaim"]
    (made,) = (one for one in kubernetes() if one["kind"] == "DaskJob")
    assert [
        volume["persistentVolumeClaim"]["claimName"] for volume in made["spec"]["job"]["spec"]["volumes"][:1]
    ] == claims
    selected = {"dask.org/cluster-name": made["metadata"]["name"]}
    (policy,) = (one["spec"] for one in kubernetes() if one["kind"] == "NetworkPolicy")
    assert policy["podSelector"]["matchLabels"] == selected
    assert policy["ingress"][0]["from"][0]["podSelector"]["matchLabels"] == selected
    assert made["spec"]["cluster"]["spec"]["scheduler"]["service"]["selector"].items() >= selected.items()
