"""The commands: sync, and the versions with their history and the way back."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from pipeline.cli import main
from tests.masterdata.support import company, drop, is_untouched, row


def given(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.mark.slow
def test_a_sync_is_previewed_applied_shown_and_rolled_back(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    reference = home / "reference"
    one = drop(tmp_path, sections="axis section name\nclient C9 Nine\nregion R1 One")
    asked = ("sync", "--reference", reference, "--from", one, "--on", "2026-03-10")
    preview = given(*asked, "--preview", "--diff", tmp_path / "diff.csv")
    assert preview.exit_code == 3
    assert "preview: nothing written" in preview.stdout
    assert is_untouched(home)
    assert pl.read_csv(tmp_path / "diff.csv")["key"].to_list() == ["client|C9"]
    assert given(*asked, "--strict").exit_code == 2
    assert is_untouched(home)
    done = given(*asked, "--json")
    assert done.exit_code == 3
    (told,) = json.loads(done.stdout)
    assert (told["state"], told["version"], told["rejected"]) == ("applied", 2, 1)
    shown = given("reference", "show", "--reference", reference, 2).stdout
    assert "client|C9" in shown
    back = given("reference", "rollback", "--reference", reference, 1)
    assert back.exit_code == 0
    assert "back to version 1: 1 removed (version 3)" in back.stdout
    history = json.loads(given("reference", "history", "--reference", reference, "--json").stdout)
    assert [one["made_by"] for one in history] == ["start", "sync", "rollback"]
    assert "rollback to 1" in given("reference", "history", "--reference", reference).stdout
    missing = given("reference", "rollback", "--reference", reference, 9)
    assert (missing.exit_code, "there is no version 9" in missing.stderr) == (2, True)


def test_a_full_sync_that_loses_too_much_ends_with_2_and_says_what_to_do(tmp_path: Path) -> None:
    home = company(tmp_path).parent
    one = drop(tmp_path, sections="axis section name\nclient C1 Uno")
    asked = ("sync", "--reference", home / "reference", "--from", one, "--full", "--on", "2026-03-10")
    refused = given(*asked)
    assert refused.exit_code == 2
    assert "raise most_vanishing_percent" in refused.stdout
    assert given(*asked, "--most-vanishing", 100).exit_code == 0
    assert row(home, "sections", section="C1")["name"] == "Uno"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--reference", "r"),
        ("--source", "erp", "--full"),
        ("--source", "erp", "--strict"),
        ("--reference", "r", "--from", ".", "--watch", "5"),
        ("--reference", "r", "--from", ".", "--source", "erp"),
    ],
)
def test_options_that_do_not_go_together_are_said(arguments: tuple[str, ...]) -> None:
    assert given("sync", *arguments).exit_code == 2


def test_a_reference_without_versions_has_no_history(tmp_path: Path) -> None:
    reference = company(tmp_path, is_plain=True)
    assert "no versions yet" in given("reference", "history", "--reference", reference).stdout
    assert given("reference", "show", "--reference", reference, 1).exit_code == 2
