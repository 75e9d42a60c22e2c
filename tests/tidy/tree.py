"""The files of the repository: what git tracks, or would."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@cache
def files(*suffixes: str) -> tuple[Path, ...]:
    """Lists the repository's files, those with one of the suffixes where any are given."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    paths = (ROOT / name for name in sorted(filter(None, listed.split("\0"))))
    return tuple(path for path in paths if path.is_file() and (not suffixes or path.suffix in suffixes))


def text(path: Path) -> str | None:
    """Reads a file, None where it is no text."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        return None


def name(path: Path) -> str:
    """Names a file as seen from the root."""
    return path.relative_to(ROOT).as_posix()
