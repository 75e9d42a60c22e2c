"""A profile: what a company asks of a format, in a TOML file of its own (docs/formats.md explains the keys)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from pipeline.errors import FormatError
from pipeline.exports import columns
from pipeline.exports.expressions import Type, Typed, compile_expression
from pipeline.exports.format import invalid
from schemas.terms import DocumentKind, Journal


class Filters(BaseModel):
    """Whose and which entries go out; an empty list is all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    employees: list[str] = []
    document_kinds: list[DocumentKind] = []


class Profile(BaseModel):
    """What is asked of a format.

    name: what earlier exports are told by. journals: those that go out, all where there are none. labels: an expression
    for the label of a journal's lines. leave_open: imputations may stay behind though they move an account.
    nominal_side: amounts below 0 stay on the side that the rule names, in the red.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    format: str
    entity: str | None = None
    journals: list[Journal] = []
    filters: Filters = Filters()
    labels: dict[Journal, str] = {}
    destinations: list[str] = []
    leave_open: bool = False
    nominal_side: bool = False
    entries: Literal["new", "all"] | None = None

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        """A format given by its path is the profile of the file's name, from wherever it is given."""
        return Path(name).stem if name.endswith(".toml") else name

    def compiled_labels(self) -> dict[str, Typed]:
        """The labels' expressions by journal. Raises: FormatError naming the one that is wrong."""
        compiled = {}
        for journal, source in self.labels.items():
            where = f"profile {self.name}, labels, {journal}"
            typed = compile_expression(source, columns.LINES, where)
            if typed.type != Type.TEXT:
                raise FormatError(f"a label is a text, and this is {typed.type}", where=where)
            compiled[str(journal)] = typed
        return compiled


def load_profile(path: Path) -> Profile:
    """Reads a profile; a format that it names by a path stands beside it.

    Raises: FormatError naming the file and the key that is wrong.
    """
    raw: dict[str, Any] = {}
    try:
        raw = {"name": path.stem, **tomllib.loads(path.read_text(encoding="utf-8"))}
        profile = Profile.model_validate(raw)
    except ValidationError as error:
        raise FormatError(
            invalid(error, raw), where=f"profile {path.name}", mend="docs/formats.md lists the keys"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FormatError(f"this is no TOML: {error}", where=f"profile {path.name}") from None
    beside = path.parent / profile.format
    if profile.format.endswith(".toml") and beside.is_file():
        profile = profile.model_copy(update={"format": str(beside)})
    profile.compiled_labels()
    return profile
