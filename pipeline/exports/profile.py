"""A profile: what a company asks of a format, in a TOML file of its own (docs/formats.md explains the keys)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipeline.errors import FormatError, UsageError
from pipeline.exports.description import Merge, Rounding
from pipeline.exports.format import Wishes, invalid, load_format
from schemas.terms import DocumentKind, Journal


class Filters(BaseModel):
    """Whose and which entries go out; an empty list is all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    employees: list[str] = []
    document_kinds: list[DocumentKind] = []


class Due(BaseModel):
    """When an entry is due: so many days after a day of it, at the end of that month where month_end says so."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: Literal["entry_date", "document_date"] = "entry_date"
    days: Annotated[int, Field(ge=0, le=3_650)] = 0
    month_end: bool = False


class Profile(BaseModel):
    """What is asked of a format.

    name: what earlier exports are told by. journals: those that go out, all where there are none. labels: an expression
    for the label of a journal's lines. leave_open: imputations may stay behind though they move an account.
    nominal_side: amounts below 0 stay on the side that the rule names, in the red. settings, maps, merge, rounding,
    max_lines: in place of the format's. axes: those that go out, in this order, all by name where there are none.
    language: that of the sections' labels where the reference has names in it, as `en`. codes: per column our code and
    theirs. employee_account: the account of the employee and of both advances. due, validated_on: what the columns of
    those names hold. template: the workbook to fill, a path beside the profile.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    format: str
    entity: str | None = None
    journals: list[Journal] = []
    filters: Filters = Filters()
    labels: dict[Journal, str] = {}
    settings: dict[str, bool | int | str] = {}
    codes: dict[str, dict[str, str]] = {}
    maps: dict[str, dict[str, str]] = {}
    merge: Merge | None = None
    rounding: Rounding | None = None
    max_lines: Annotated[int | None, Field(gt=0)] = None
    axes: list[str] = []
    language: Annotated[str | None, Field(pattern=r"^[a-z]{2,3}$")] = None
    employee_account: str | None = None
    due: Due | None = None
    validated_on: Literal["closed", "exported_on", "entry_date"] = "closed"
    template: str | None = None
    destinations: list[str] = []
    leave_open: bool = False
    nominal_side: bool = False
    entries: Literal["new", "all"] | None = None

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        """A format given by its path is the profile of the file's name, from wherever it is given."""
        return Path(name).stem if name.endswith(".toml") else name

    @property
    def wishes(self) -> Wishes:
        """What it asks of the format when that is loaded."""
        keys: dict[str, Any] = {}
        if self.merge is not None:
            keys["merge"] = self.merge.model_dump()
        if self.rounding is not None:
            keys["rounding"] = self.rounding.model_dump()
        if self.max_lines is not None:
            keys["max_lines"] = self.max_lines
        if self.template is not None:
            keys["template"] = self.template
        labels = {str(journal): source for journal, source in self.labels.items()}
        return Wishes(f"profile {self.name}", self.settings, self.codes, labels, self.maps, keys)


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
    if profile.template is not None:
        profile = profile.model_copy(update={"template": str(path.parent / profile.template)})
    load_format(profile.format, profile.wishes)
    return profile


def profile_named(folder: Path, name: str) -> Profile:
    """Reads the profile of that name from a folder of profiles.

    Raises: UsageError where there is none, FormatError as load_profile.
    """
    known = {path.stem: path for path in sorted(folder.glob("*.toml"))}
    if name not in known:
        raise UsageError(f"there is no profile {name}", where=str(folder), mend=f"it has {', '.join(known) or 'none'}")
    return load_profile(known[name])
