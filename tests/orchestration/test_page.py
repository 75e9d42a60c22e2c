"""docs/orchestration.md: its examples run, and it leaves out no field and no event."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pipeline.cli import Group, main
from pipeline.settings.settings import load_settings
from tests.support import Company, expense, report, write
from tests.tidy.tree import ROOT

PAGE = (ROOT / "docs" / "orchestration.md").read_text()
DAGSTER = ROOT / "deploy" / "dagster" / "lettrage_dagster"
BESIDE = ("pipeline/cli.py", "pipeline/run.py")


def listed(head: str) -> set[str]:
    """The names in the first column of a table of the page."""
    table = PAGE[PAGE.index(f"| {head} |") :].split("\n\n", 1)[0]
    return {name for row in table.splitlines()[2:] for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


def events_of(*arguments: str) -> list[dict[str, object]]:
    result = CliRunner().invoke(main, ["--log-format", "json", *arguments])
    return [json.loads(line) for line in result.stderr.splitlines()]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """The events of commands that end in all ways."""
    tmp_path = tmp_path_factory.mktemp("told")
    company = Company(tmp_path)
    write(tmp_path / "reference", company.reference)
    write(
        tmp_path / "batch",
        {"expense_reports": [report(), report("R2", employee="E9")], "expenses": [expense(), expense("R2")]},
    )
    store = ("--store", str(company.store))
    run = ("run", "--reference", str(tmp_path / "reference"), "--batch", str(tmp_path / "batch"), *store)
    calls = [
        run,
        (*run, "--preview"),
        ("dump", "--out", str(tmp_path / "dump"), *store),
        ("status", "--store", str(tmp_path)),
    ]
    export = ("export", "--format", "csv", "--entity", "FR01", "--out", str(tmp_path / "out"), *store)
    crash = click.Command("crash", callback=lambda: 1 // 0)
    program = Group("program", commands=[crash], params=[click.Option(["--log-format"])])
    crashed = CliRunner().invoke(program, ["--log-format", "json", "crash"])
    return [
        *(event for call in [*calls, export] for event in events_of(*call)),
        *(json.loads(line) for line in crashed.stderr.splitlines()),
    ]


def test_every_field_is_explained(told: list[dict[str, object]]) -> None:
    assert {field for event in told for field in event} - listed("field") == set()


def test_every_event_is_explained(told: list[dict[str, object]]) -> None:
    events = {str(event["event"]) for event in told}
    assert {"started", "step done", "committed", "quarantined", "exported", "dumped", "failed", "crashed"} <= events
    source = "".join((ROOT / path).read_text() for path in BESIDE)
    written = set(re.findall(r"\blog(?:\(\))?\.(?:info|warning|error)\(\s*\"([^\"]+)\"", source))
    assert (events | written | {"stderr"}) - listed("event") == set()


def test_every_line_shown_is_an_event_with_fields_that_are_explained() -> None:
    (block,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines():
        assert set(json.loads(line)) <= listed("field")


def test_the_settings_shown_are_taken(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "lettrage.toml").write_text(block)
    lineage = load_settings(tmp_path / "lettrage.toml").lineage
    assert lineage is not None
    assert (lineage.file, lineage.namespace) == (tmp_path / "lineage.jsonl", "accounting")


def test_every_variable_of_the_dagster_project_is_explained() -> None:
    source = "".join(path.read_text() for path in DAGSTER.glob("*.py"))
    assert set(re.findall(r"\"(LETTRAGE_[A-Z_]+)\"", source)) <= listed("variable") | {"LETTRAGE_FORMATS"}
    assert "LETTRAGE_FORMATS" in PAGE
