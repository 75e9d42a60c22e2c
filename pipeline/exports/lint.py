"""What is wrong with a format file, and what is doubtful about it, each with its line (`lettrage formats --check`)."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import FormatError
from pipeline.exports.format import FORMATS, Wishes, parse_format, shipped

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.exports.format import LoadedFormat

#: columns of which a cut value would be another account, journal or amount
_KEYS = frozenset(
    {"account", "auxiliary", "posting_account", "journal_code", "debit", "credit", "amount", "side_amount"}
)


@dataclass(frozen=True)
class Finding:
    """Something about a format file. line: 1 is the first; is_error: whether the format cannot be used."""

    line: int
    message: str
    is_error: bool


def lint(path: Path) -> list[Finding]:
    """Reads a format file whole; returns what is wrong with it and what is doubtful, by line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return [Finding(1, f"this cannot be read ({error})", is_error=True)]
    found: list[FormatError] = []
    doubts: list[Finding] = []
    try:
        loaded = parse_format(path.stem, text, with_every_setting(text), found)
        doubts = _doubts(loaded, text)
    except FormatError as error:
        found.append(error)
    errors = [Finding(_line_of(text, str(error)), str(error), is_error=True) for error in found]
    return sorted(errors + doubts, key=lambda finding: (finding.line, finding.message))


def shipped_formats() -> list[LoadedFormat]:
    """The formats that come with the program, whatever of their settings a profile has to give."""
    texts = {name: (FORMATS / f"{name}.toml").read_text(encoding="utf-8") for name in shipped()}
    return [parse_format(name, text, with_every_setting(text)) for name, text in texts.items()]


def with_every_setting(text: str) -> Wishes | None:
    """Values for settings that have no default, so that the rest can be read."""
    try:
        settings = tomllib.loads(text).get("settings", {})
    except tomllib.TOMLDecodeError:
        return None
    if not isinstance(settings, dict):
        return None
    lacking = {
        name: (said.get("choices") or ["1"])[0]
        for name, said in settings.items()
        if isinstance(said, dict) and "default" not in said
    }
    return Wishes(settings=lacking)


def _doubts(loaded: LoadedFormat, text: str) -> list[Finding]:
    form = loaded.format
    body = re.sub(r"(?m)^\s*#.*$", "", text)
    said = [
        (name, f"setting {name} is used nowhere")
        for name in form.settings
        if not re.search(rf"\${re.escape(name)}\b", body)
    ]
    said += [(name, f"table [maps.{name}] is used nowhere") for name in form.maps if not _names_map(form, body, name)]
    for made in loaded.records:
        said += [
            (cell.name, f"field {cell.name}: a cut value would be another {_column(cell.field)}")
            for cell in made.cells
            if cell.field.overflow != "error" and _column(cell.field) in _KEYS
        ]
    if form.confidence in ("medium", "low") and not form.unsure:
        said.append(("confidence", "unsure does not say what the sources leave open"))
    return [Finding(_line_of(text, f"({name})", name), message, is_error=False) for name, message in said]


def _names_map(form: Any, body: str, name: str) -> bool:
    return f"'{name}'" in body or any(field.map == name for record in form.records for field in record.field)


def _column(field: Any) -> str:
    return field.source or field.reads or ""


def _line_of(text: str, message: str, name: str | None = None) -> int:
    """The line that a message is about: of the TOML error, else of the field, record, setting or key it names."""
    if told := re.search(r"\(at line (\d+)", message):
        return int(told[1])
    candidates = [name] if name else []
    if told := re.search(r"record ([^,:]+)", message):
        candidates.append(told[1])
    fields = re.findall(r"field \d+ \(([^)]*)\)", message)
    start = 0
    lines = text.splitlines()
    for candidate in [*candidates, *fields]:
        quoted = re.escape(candidate)
        pattern = rf"""(\bname\s*=\s*["']{quoted}["'])|(^\s*\[(settings|maps)\.{quoted}\])|(^\s*{quoted}\s*=)"""
        for number, line in enumerate(lines[start:], start=start + 1):
            if re.search(pattern, line):
                start = number - 1
                break
    if not start and (told := re.search(r"toml(?:, |: )([a-z_]+)", message)):
        start = next((n for n, line in enumerate(lines) if re.match(rf"\s*(\[+)?{told[1]}\b", line)), 0)
    return start + 1
