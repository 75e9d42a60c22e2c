"""Secrets: from the environment or from files that only their owner reads; never in the settings, never in a message.

A secret `bank_key` is looked for as LETTRAGE_SECRET_BANK_KEY in the environment, then in what `secrets` of the settings
names: a directory with a file a secret (what container engines and systemd mount; whoever mounts it says who reads it),
or a file of lines `name = value` that other users cannot read.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pydantic import SecretStr

from pipeline.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PREFIX = "LETTRAGE_SECRET_"
#: the values that this process has found
_found: set[str] = set()


def found() -> frozenset[str]:
    """Every value that was found, so that logs leave it out."""
    return frozenset(_found)


class Secrets:
    """Finds secrets by name.

    place: the directory or file that holds them, None where the environment alone does. environment: for tests.
    """

    def __init__(self, place: Path | None, environment: Mapping[str, str] | None = None) -> None:
        self._place = place
        self._environment = os.environ if environment is None else environment

    def get(self, name: str) -> SecretStr:
        """The secret of that name. Raises: SettingsError saying where it may be put; what was found is never told."""
        variable = PREFIX + name.upper()
        value = self._environment.get(variable)
        if value is None and self._place is not None:
            value = self._of_place(self._place, name)
        if value is None:
            also = "" if self._place is None else f", or in {self._place}"
            raise SettingsError(f"there is no secret {name}", mend=f"put it into {variable} of the environment{also}")
        _found.add(value)
        return SecretStr(value)

    def _of_place(self, place: Path, name: str) -> str | None:
        try:
            if place.is_dir():
                path = place / name
                return path.read_text(encoding="utf-8").removesuffix("\n") if path.is_file() else None
            lines = _private(place).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise SettingsError(
                f"the secret {name} cannot be read ({said})", where=str(place), mend="see `secrets` in the settings"
            ) from None
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            key, equals, value = line.partition("=")
            if not equals:
                raise SettingsError(
                    "the line is no `name = value`", where=f"{place} line {number}", mend="write one a secret"
                )
            if key.strip() == name:
                return value.strip()
        return None


def _private(path: Path) -> str:
    """Reads a file that no other user may read. Raises: SettingsError where others may."""
    mode = path.stat().st_mode
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise SettingsError(
            "others may read the secrets in it", where=str(path), mend=f"`chmod o-rwx,g-w {path}`, then change them"
        )
    return path.read_text(encoding="utf-8")
