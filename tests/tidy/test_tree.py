"""The tree: nothing of one machine in it, nothing to fetch by address, nothing too large."""

from __future__ import annotations

import re

from tests.tidy.tree import ROOT, files, name, text

# Home directories and the usual places of a checkout; a path of the tests' own begins at tmp_path.
MACHINE_PATH = re.compile(r"(?<![\w.~>/-])/(?:home|Users|root|work|workspaces?|builds?)/[\w.-]+")
URL = re.compile(r"https?://|--(?:extra-)?index-url|--find-links|--trusted-host")
MAKES = ("requirements/", "pyproject.toml", "Makefile", ".ci/", ".pre-commit-config.yaml")
LAID_OUT = (".py", ".sql", ".toml", ".md", ".yaml")
MEGABYTE = 1_000_000


def lines_with(pattern: re.Pattern[str], paths: list[str]) -> list[str]:
    return [
        f"{path}:{number}: {line.strip()[:100]}"
        for path in paths
        for number, line in enumerate((text(ROOT / path) or "").splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_file_names_a_path_of_one_machine() -> None:
    assert lines_with(MACHINE_PATH, [name(path) for path in files()]) == []


def test_nothing_is_installed_from_an_address() -> None:
    assert lines_with(URL, [name(path) for path in files() if name(path).startswith(MAKES)]) == []


def test_every_locked_version_has_its_hashes() -> None:
    for lock in ("lock.txt", "dev.txt", "oldest.txt"):
        blocks = re.split(r"\n(?=[a-z])", (ROOT / "requirements" / lock).read_text())
        assert [block.splitlines()[0] for block in blocks[1:] if "--hash=sha256:" not in block] == []
        assert all(re.match(r"[\w.\[\]-]+==", block) for block in blocks[1:])


def test_runtime_and_development_lock_the_same_versions() -> None:
    versions = [
        dict(
            re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)", (ROOT / "requirements" / lock).read_text(), re.MULTILINE)
        )
        for lock in ("lock.txt", "dev.txt")
    ]
    assert versions[0].items() <= versions[1].items()


def test_the_sample_stays_under_three_megabytes() -> None:
    assert sum(path.stat().st_size for path in files() if name(path).startswith("data/")) < 3 * MEGABYTE


def test_no_file_is_larger_than_two_megabytes() -> None:
    assert [name(path) for path in files() if path.stat().st_size > 2 * MEGABYTE] == []


def test_text_ends_in_one_newline_and_lines_in_no_blank() -> None:
    untidy = [
        name(path)
        for path in files(*LAID_OUT)
        if (content := text(path))
        and (not content.endswith("\n") or re.search(r"[ \t\r]$|\n\n\Z", content, re.MULTILINE))
    ]
    assert untidy == []
