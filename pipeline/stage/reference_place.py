"""Where the reference tables are: in a directory as it stands, or in the version of it that is in force.

    <dir>/employees.csv …                 a plain directory, as a person keeps it
    <dir>/current                         names the version in force: 000007
    <dir>/versions/000007/employees.csv   a version: written whole, never changed

`lettrage sync` makes versions (docs/master-data.md); everything that reads a reference asks here for its tables once,
so that it reads one version from its first table to its last.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

CURRENT = "current"
VERSIONS = "versions"
_NUMBER = re.compile(r"[0-9]{6,12}\Z")
_TABLES = (".csv", ".parquet", ".xlsx")


def version_name(number: int) -> str:
    """What the folder of a version is called."""
    return f"{number:06}"


def version_in_force(directory: Path) -> int | None:
    """The number of the version in force, None where the directory has none.

    Raises: InputError where `current` names none.
    """
    pointer = directory / CURRENT
    try:
        named = pointer.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"it cannot be read ({error})", where=str(pointer)) from None
    if not _NUMBER.match(named) or not (directory / VERSIONS / named).is_dir():
        raise InputError(
            f"there is no version {named!r} of the reference",
            where=str(pointer),
            mend=f"write the name of a folder of {directory / VERSIONS} into it, as 000007",
        )
    return int(named)


def tables_in_force(directory: Path, notes: list[str] | None = None) -> Path:
    """The directory that the tables in force stand in: a version's, or `directory` itself where it has no versions.

    notes: where it is to be said that tables beside the versions are not read. Raises: InputError as above.
    """
    number = version_in_force(directory)
    if number is None:
        return directory
    if notes is not None:
        beside = sorted(path.name for path in directory.iterdir() if path.suffix.lower() in _TABLES)
        if beside:
            notes.append(
                f"{directory}: {', '.join(beside)} beside its versions: what is read is version {number}; "
                "`lettrage sync` brings changes into the next one"
            )
    return directory / VERSIONS / version_name(number)
