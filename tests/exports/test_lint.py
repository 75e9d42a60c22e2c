"""Format files are checked whole, by line; pages and schemas are made of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.exports.format import FORMATS, shipped
from pipeline.exports.lint import lint
from pipeline.exports.pages import PAGES, pages, schema

HEAD = """\
title  = "T"
source = "test"
kind   = "delimited"
file   = "'f.txt'"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def checked(path: Path) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["formats", "--check", str(path)])
    return result.exit_code, result.output.replace(f"{path}:", "")


def test_every_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    text = HEAD + '\n[[field]]\nname = "a"\nfrom = "labell"\n\n[[field]]\nname = "b"\nexpression = "upper(debit)"\n'
    code, said = checked(written(tmp_path, text))
    assert code == 2
    first, second = said.splitlines()
    assert first.startswith("7: error: format mine.toml, field 1 (a): there is no column labell")
    assert second.startswith("11: error: format mine.toml, field 2 (b), character 7: upper wants text here")


def test_what_is_no_toml_is_told_with_its_line(tmp_path: Path) -> None:
    code, said = checked(written(tmp_path, HEAD + "kind ==\n"))
    assert code == 2
    assert said.startswith("5: error: format mine.toml: this is no TOML")


def test_a_doubt_is_a_warning(tmp_path: Path) -> None:
    text = (
        HEAD
        + '[settings.unused]\ndefault = 1\nmeaning = "m"\n[maps.codes]\na = "b"\n'
        + '[[field]]\nname = "account"\nfrom = "account"\nlength = 6\noverflow = "cut"\n'
    )
    code, said = checked(written(tmp_path, text))
    assert code == 0
    assert said.splitlines() == [
        "5: warning: setting unused is used nowhere",
        "8: warning: table [maps.codes] is used nowhere",
        "11: warning: field account: a cut value would be another account",
        "1 checked, 3 warnings",
    ]


def test_a_setting_without_a_default_is_no_mistake(tmp_path: Path) -> None:
    text = HEAD + '[settings.client]\nmeaning = "m"\n[[field]]\nname = "c"\nexpression = "$client & label"\n'
    assert lint(written(tmp_path, text)) == []


@pytest.mark.parametrize("name", shipped())
def test_what_is_shipped_has_no_doubts(name: str) -> None:
    assert lint(FORMATS / f"{name}.toml") == []


def test_the_pages_are_fresh() -> None:
    made = pages()
    there = {path.name: path.read_text(encoding="utf-8") for path in PAGES.iterdir()}
    assert sorted(there) == sorted(made), "make docs"
    assert [name for name in made if there[name] != made[name]] == [], "make docs"


def test_the_schema_lets_a_setting_stand_for_a_value() -> None:
    encoding = schema()["properties"]["encoding"]["anyOf"]
    assert {"type": "string", "pattern": r"^\$[a-z][a-z0-9_]*$"} in encoding
    result = CliRunner().invoke(main, ["formats", "--schema"])
    assert json.loads(result.stdout) == schema()


def test_a_format_is_shown() -> None:
    result = CliRunner().invoke(main, ["formats", "sage_100_pnm"])
    assert result.exit_code == 0
    assert "| 84 | side | `side` |" in result.stdout
    listed = CliRunner().invoke(main, ["formats", "--json"])
    assert {"csv", "fec"} <= {row["name"] for row in json.loads(listed.stdout)}
