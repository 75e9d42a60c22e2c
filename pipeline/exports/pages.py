"""The pages of the formats and their JSON Schemas, made from the format files: `python -m pipeline.exports.pages`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.exports.description import Format
from pipeline.exports.format import FORMATS, Wishes, shipped
from pipeline.exports.lint import shipped_formats, with_every_setting
from pipeline.exports.profile import Profile

if TYPE_CHECKING:
    from pipeline.exports.description import FieldFormat, Record, Setting
    from pipeline.exports.format import LoadedFormat

PAGES = Path(__file__).parents[2] / "docs" / "formats"
_SETTING = {"type": "string", "pattern": r"^\$[a-z][a-z0-9_]*$"}
_CONFIDENCE = {
    "high": "high: the official text, or two independent sources",
    "medium": "medium: one source",
    "low": "low: inferred, or one weak source",
    "ours": "ours",
}


def pages() -> dict[str, str]:
    """The generated files of docs/formats/ by name."""
    loaded = shipped_formats()
    made = {f"{one.name}.md": page(one) for one in loaded}
    made["README.md"] = index(loaded)
    made["format.schema.json"] = _json(schema())
    made["profile.schema.json"] = _json(Profile.model_json_schema(by_alias=True))
    return made


def wishes_of(name: str) -> Wishes | None:
    """Values for the settings of a format that have no default, so that it can be shown."""
    path = FORMATS / f"{name}.toml" if name in shipped() else Path(name)
    return with_every_setting(path.read_text(encoding="utf-8")) if path.is_file() else None


def index(loaded: list[LoadedFormat]) -> str:
    """The list of the formats."""
    rows = [
        f"| [{one.name}]({one.name}.md) | {_cell(one.format.title)} | {_cell(one.format.package)} | {one.format.kind} "
        f"| {one.format.encoding if one.format.kind not in ('xlsx', 'parquet', 'pain.001') else ''} "
        f"| {one.format.confidence} |"
        for one in loaded
    ]
    return "\n".join(
        [
            "# The formats that come with the program",
            "",
            "Made from the format files by `make docs`. [formats.md](../formats.md) says how such a file is written,",
            "`lettrage formats NAME` shows the page of one, and [format.schema.json](format.schema.json) and",
            "[profile.schema.json](profile.schema.json) let editors complete them.",
            "",
            "| format | what it is | read by | kind | encoding | confidence |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def page(loaded: LoadedFormat) -> str:
    """What a person has to know of a format, in Markdown."""
    form = loaded.format
    parts = [f"# {form.title}", "", f"Format `{loaded.name}`, kind {form.kind}."]
    if form.package:
        parts += ["", f"**Read by**: {form.package}."]
    parts += ["", f"**Confidence**: {_CONFIDENCE[form.confidence]}."]
    if form.unsure:
        parts += ["", f"**What the sources leave open**: {form.unsure.strip()}"]
    if form.manual is not None:
        for title, text in (
            ("What the package expects", form.manual.expects),
            ("How to import", form.manual.steps),
            ("What to adapt", form.manual.adapt),
        ):
            parts += ["", f"## {title}", "", text.strip()]
    if form.settings:
        parts += ["", "## Settings", "", "A profile sets them under `[settings]`.", "", *_settings(form.settings)]
    parts += ["", "## Layout", ""]
    said = _facts(form)
    if said:
        parts += [", ".join(said) + ".", ""]
    for record in form.records:
        parts += [*_record(form, record), ""]
    parts += ["## Source", "", form.source.rstrip(".") + ".", ""]
    return "\n".join(parts)


def _facts(form: Format) -> list[str]:
    if form.kind in ("xlsx", "parquet", "pain.001"):
        return []
    ends = {"\r\n": "CR LF", "\n": "LF", "\r": "CR"}
    said = [f"Encoding {form.encoding}", f"lines end with {ends[form.newline]}"]
    if form.kind == "delimited":
        signs = {"\t": "a tab", ";": "a semicolon", ",": "a comma", "|": "a bar", "\r\n": "a line end"}
        said.append(f"{signs.get(form.separator, repr(form.separator))} between fields")
        said.append(f"quotes {form.quote.replace('_', ' ')}")
    if form.max_lines or form.max_entries:
        most = [f"{form.max_lines} lines"] if form.max_lines else []
        most += [f"{form.max_entries} entries"] if form.max_entries else []
        said.append(f"at most {' and '.join(most)} a file")
    if form.shape == "pairs":
        said.append("rows have two accounts")
    return said


def _settings(settings: dict[str, Setting]) -> list[str]:
    rows = ["| setting | default | values | meaning |", "| --- | --- | --- | --- |"]
    for name, setting in settings.items():
        default = (
            "has to be given" if setting.default is None else f"`{json.dumps(setting.default, ensure_ascii=False)}`"
        )
        choices = ", ".join(f"`{json.dumps(choice, ensure_ascii=False)}`" for choice in setting.choices)
        doubt = " The sources infer it or differ." if setting.unsure else ""
        rows.append(
            f"| `{name}` | {_cell(default)} | {_cell(choices)} | {_cell(setting.meaning.rstrip('.'))}.{doubt} |"
        )
    return rows


def _toml(value: object) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _record(form: Format, record: Record) -> list[str]:
    where = f"per {record.per}" + (", at its end" if record.place == "end" else "")
    when = f", when `{record.when}`" if record.when else ""
    into = f", into {record.into}" if record.into else ""
    title = f"Record {record.name or record.per}, {where}{when}{into}:"
    if record.text is not None:
        return [title, "", "```", record.text, "```"]
    if record.row is not None:
        return [title, "", "```", _row(form, record.row), "```"]
    is_fixed = form.kind == "fixed"
    rows = [
        f"| {'position' if is_fixed else 'no'} | field | what | how |",
        "| --- | --- | --- | --- |",
        *(
            f"| {place} | {_cell(field.name)} | {_cell(_what(field))} | {_cell(_how(field))} |"
            for number, field in enumerate(record.field, start=1)
            for place in [str(field.at if is_fixed else number)]
        ),
    ]
    return [title, "", *rows]


def _row(form: Format, row: list[str]) -> str:
    return (form.separator if form.kind == "delimited" else " | ").join(row).strip() or "(an empty row)"


def _what(field: FieldFormat) -> str:
    if field.source is not None:
        return f"`{field.source}`"
    if field.expression is not None:
        return f"`{field.expression}`"
    return f"constant `{field.value}`" if field.value else "empty"


def _how(field: FieldFormat) -> str:
    said = [f"`{field.date}`"] if field.date else []
    if field.decimal is not None:
        how = field.decimal
        decimals = "the currency's decimals" if how.scale == "currency" else f"{how.scale} decimals"
        said.append(decimals + (f", mark `{how.point}`" if how.point else ", no mark"))
    if isinstance(field.map, dict):
        said.append(", ".join(f"`{old}` → `{new}`" for old, new in field.map.items()))
    elif field.map:
        said.append(f"table {field.map}")
    if field.length:
        said.append(f"at most {field.length}")
    if field.is_filled and (field.align == "right" or field.pad != " "):
        said.append(f"{field.align}, filled with `{field.pad}`")
    if field.overflow != "error":
        said.append("cut" if field.overflow == "cut" else "its end is kept")
    return "; ".join(said)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()


def schema() -> dict[str, Any]:
    """The JSON Schema of a format file: `$name` of a setting may stand for any value."""
    made = Format.model_json_schema(by_alias=True)
    for model in (made, *made["$defs"].values()):
        if model.get("title") == "Setting":
            continue
        for name, said in model.get("properties", {}).items():
            model["properties"][name] = _or_setting(said)
    return made


def _or_setting(said: dict[str, Any]) -> dict[str, Any]:
    """A property's schema, or a setting in its place where it is a single value that is no plain text."""
    kept: dict[str, Any] = {key: said[key] for key in ("title", "description", "default") if key in said}
    inner = {key: value for key, value in said.items() if key not in kept}
    options = inner.pop("anyOf", None) or [inner]
    single = [one for one in options if one.get("type") in ("integer", "boolean", "number") or "enum" in one]
    limited = [one for one in options if one.get("type") == "string" and ("maxLength" in one or "pattern" in one)]
    if not single and not limited:
        return said
    return {**kept, "anyOf": [*options, _SETTING]}


def _json(said: dict[str, Any]) -> str:
    return json.dumps(said, ensure_ascii=False, indent=2) + "\n"


def write() -> None:
    """Writes docs/formats/, and removes the pages of formats that are gone."""
    PAGES.mkdir(parents=True, exist_ok=True)
    made = pages()
    for path in PAGES.iterdir():
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (PAGES / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
