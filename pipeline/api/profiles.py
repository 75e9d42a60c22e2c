"""What may be named in a request: the profiles of the settings' folder, and the formats that come with the program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.api.problems import Problem, shown
from pipeline.errors import FormatError
from pipeline.exports.format import shipped
from pipeline.exports.profile import Profile, load_profile

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.api.keys import Caller
    from pipeline.settings.settings import Settings


def profile_files(folder: Path) -> dict[str, Path]:
    """The profiles of a folder by name: a request names one of them, never a path."""
    if not folder.is_dir():
        return {}
    return {path.stem: path for path in sorted(folder.glob("*.toml")) if path.is_file()}


def asked_profile(settings: Settings, *, profile: str | None, format_name: str | None) -> Profile:
    """The profile that a request names, or that of a format. Raises: Problem, FormatError."""
    if profile is not None:
        path = profile_files(settings.profiles).get(profile)
        if path is None:
            raise no_profile(profile)
        return load_profile(path)
    if format_name not in shipped():
        raise Problem(404, f"there is no format {format_name}", where="body.format", mend="see /v1/formats")
    return Profile(name=str(format_name), format=str(format_name))


def no_profile(name: str) -> Problem:
    """Said alike of a profile that is not there and of one that is not the key's to use."""
    return Problem(404, f"there is no profile {name}", where="body.profile", mend="see /v1/profiles")


def listed(settings: Settings, caller: Caller) -> list[dict[str, Any]]:
    """The profiles that a caller may use; of one that is broken what is wrong with it."""
    rows: list[dict[str, Any]] = []
    for name, path in profile_files(settings.profiles).items():
        try:
            profile = load_profile(path)
        except FormatError as error:
            if caller.entities is None:
                said = shown(str(error), settings)
                rows.append({"profile": name, "format": None, "legal_entity": None, "is_broken": True, "said": said})
            continue
        if profile.entity is None or caller.may_see(profile.entity):
            format_name = profile.format if profile.format in shipped() else path.name
            rows.append(
                {
                    "profile": name,
                    "format": format_name,
                    "legal_entity": profile.entity,
                    "is_broken": False,
                    "said": None,
                }
            )
    return rows
