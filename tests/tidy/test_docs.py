"""The pages: the commands that they show exist, their links lead somewhere, the sections cited stand in the rules."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from pipeline.cli import main
from tests.tidy.tree import ROOT, files, name, text

PAGES = files(".md")
RULES = ROOT / "docs" / "rules.md"


def shown(page: Path, program: str) -> list[str]:
    """Lists the calls of a program that a page shows: lines of code blocks, continued ones joined."""
    blocks = re.findall(r"^ *```[a-z]*\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    calls = [re.sub(r"^\s*\$ ", "", line).split("#")[0].strip() for line in lines]
    return [call for call in calls if call.split(" ")[0] == program]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_commands_shown_exist(page: Path) -> None:
    for call in shown(page, "lettrage"):
        words = shlex.split(call)[1:]
        if not words or words[0].startswith("-"):
            continue
        command = main.commands.get(words[0])
        if isinstance(command, click.Group):
            command = command.commands.get(next((word for word in words[1:] if not word.startswith("-")), ""))
        assert command is not None, f"{call}: no such command"
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        options = [word.split("=")[0] for word in words[1:] if word.startswith("--")]
        assert set(options) <= known, f"{call}: no such option"
        required = {
            parameter.opts[0]
            for parameter in command.params
            if isinstance(parameter, click.Option) and parameter.required
        }
        assert required <= set(options), f"{call}: an option is missing"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_make_targets_shown_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for call in shown(page, "make"):
        assert {word for word in call.split()[1:] if "=" not in word} <= targets, call


def test_every_make_target_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony == re.findall(r"^([a-z-]+):[^#\n]* ## ", makefile, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if heading:
            assert heading in anchors(target), link


def anchors(page: Path) -> set[str]:
    """Lists the headings of a page as links name them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_sections_cited_stand_in_the_rules() -> None:
    sections = {int(number) for number in re.findall(r"^## (\d+)\.", RULES.read_text(), re.MULTILINE)}
    cited = re.compile(r"spec §+ ?(\d+)|Spec: (?:sections? |§+ ?)(\d+)")
    wrong = [
        f"{name(path)}: section {number}"
        for path in files(".py", ".sql", ".md", ".toml")
        for match in cited.finditer(text(path) or "")
        if (number := int(match.group(1) or match.group(2))) not in sections
    ]
    assert wrong == []
