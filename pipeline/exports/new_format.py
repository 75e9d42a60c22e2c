"""A new format file: a copy of one that comes with the program, or a first draft from a sample of the customer's."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import FormatError
from pipeline.exports.format import FORMATS, shipped
from pipeline.exports.guess import Columns, mapped
from pipeline.exports.guess_cells import amounts
from pipeline.exports.guess_layout import read_sample
from pipeline.exports.lint import Finding, lint
from pipeline.exports.pages import schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.exports.guess_figures import Guess
    from pipeline.exports.guess_sample import Group, Sample

#: the JSON Schema that editors complete the file by stands beside it: no network is needed
SCHEMA = "format.schema.json"
_TITLE = re.compile(r'(?m)^title\s*=\s*("(?:[^"\\]|\\.)*")')
_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?\Z")
_SETTING = re.compile(r"\$[a-z][a-z0-9_]*\Z")
_CUT = {
    "label": "cut",
    "account_label": "cut",
    "auxiliary_label": "cut",
    "journal_label": "cut",
    "employee_name": "cut",
    "document": "cut_left",
}
_COUNTED = frozenset({"entry_number", "line_in_file", "line_in_entry"})
_LONGEST_EXAMPLE = 40
_LONGEST_FIELD = 32_767


@dataclass(frozen=True)
class Made:
    """A format file that was written. said: what there is to know of it, a sentence each. findings: of its check."""

    path: Path
    said: list[str]
    findings: list[Finding]


def like(path: Path, name: str, *, force: bool = False) -> Made:
    """Copies a format that comes with the program. Raises: FormatError where there is none of that name."""
    _check_path(path, force=force)
    if name not in shipped():
        raise FormatError(f"there is no format {name!r}", mend=f"there are {', '.join(shipped())}")
    text = (FORMATS / f"{name}.toml").read_text(encoding="utf-8")
    title = str(tomllib.loads(text)["title"])
    renamed = _TITLE.sub(lambda _: f"title      = {_text(f'{path.stem}: {title}')}", text, count=1)
    return _written(path, renamed, [f"a copy of {name}: {title}"], force=force)


def from_sample(path: Path, sample_file: Path, *, sheet: str | None = None, force: bool = False) -> Made:
    """Guesses a format from a sample file. Raises: InputError where the file is none that could be guessed from."""
    _check_path(path, force=force)
    sample = read_sample(sample_file, sheet)
    text, fields = draft(sample, path.stem, sample_file.name)
    kinds = len(sample.groups)
    said = [f"{_kind(sample)}, {kinds} kind{'s' if kinds > 1 else ''} of line"]
    said += sample.notes
    open_ones = sum(1 for guess in fields if not guess.is_sure)
    said.append(f"{len(fields)} fields: {mapped(fields)} mapped, {open_ones} that you have to fill in")
    return _written(path, text, said, force=force)


def _check_path(path: Path, *, force: bool) -> None:
    if path.suffix != ".toml":
        raise FormatError(f"a format file ends in .toml, and {path.name} does not", mend=f"write {path.name}.toml")
    if not path.parent.is_dir():
        raise FormatError(f"there is no folder {path.parent}", mend="make it first")
    if path.exists() and not force:
        raise FormatError("the file is there already", where=str(path), mend="choose another name, or give --force")


def _written(path: Path, text: str, said: list[str], *, force: bool) -> Made:
    path.write_text(f"#:schema ./{SCHEMA}\n{text}", encoding="utf-8")
    beside = path.with_name(SCHEMA)
    if force or not beside.exists():
        beside.write_text(json.dumps(schema(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return Made(path, said, lint(path))


def _kind(sample: Sample) -> str:
    if sample.kind in ("xlsx", "parquet"):
        return f"{sample.kind}, sheet {sample.sheet}" if sample.sheet else sample.kind
    ends = {"\r\n": "CR LF", "\n": "LF", "\r": "CR"}[sample.newline]
    between = f" by {sample.separator!r}" if sample.kind == "delimited" else ""
    return f"{sample.kind}{between}, {sample.encoding}, lines end with {ends}"


# -------------------------------------------------------------------------------------------------------------- roles


@dataclass(frozen=True)
class _Record:
    """A kind of line made ready to be written: its keys, the group and what its fields are."""

    keys: dict[str, str]
    group: Group
    guesses: list[Guess]
    note: str = ""


def draft(sample: Sample, name: str, sample_name: str) -> tuple[str, list[Guess]]:
    """The text of the format file, and its fields."""
    read = [Columns(sample.kind, group) for group in sample.groups]
    line = max(range(len(read)), key=lambda at: (_weight(read[at]), len(sample.groups[at].rows), -at))
    records = [*_records(sample, read, line)]
    lines = [
        f"# Guessed from {_comment(sample_name)}. Above each field stand values of the sample: look at each field,",
        "# and at what is said behind it. docs/formats.md tells what may be written.",
        f"title      = {_text(f'{name}, as in {sample_name}')}",
        f"source     = {_text(f'guessed from the sample {sample_name}')}",
        'confidence = "low"',
        'unsure     = "All of it is guessed from one sample: compare a first export with the sample, field by field."',
        "",
        *_keys(sample, read[line].shape, sample_name),
    ]
    is_plain = (
        len(records) == 1 and not sample.tail and not _is_cut(sample) and sample.kind != "xlsx" and sample.wrap is None
    )
    if is_plain:
        lines += ["", "field = [", *_fields(sample, records[0]), "]"]
    else:
        lines += _around(sample, records)
    return "\n".join(lines) + "\n", [guess for record in records for guess in record.guesses]


def _is_cut(sample: Sample) -> bool:
    """Whether the lines on top have separators, which texts lose where nothing is quoted: they are cells then."""
    is_bare = sample.kind == "delimited" and sample.quote == "never"
    return is_bare and any(sample.separator in line for line in sample.heading)


def _weight(columns: Columns) -> int:
    found = columns.columns
    return (
        2 * bool(found & {"account", "account_label"})
        + 2 * bool(found & {"debit", "side_amount", "amount"})
        + ("side" in found)
    )


def _records(sample: Sample, read: list[Columns], line: int) -> Iterator[_Record]:
    groups = sample.groups
    order = [number for _, number in sorted((at, number) for number, group in enumerate(groups) for at in group.lines)]
    tag = f" ({_comment(groups[line].tag)})" if groups[line].tag else ""
    first, last = order.index(line) if line in order else 0, len(order) - 1
    before, after = [], []
    split = None
    for number, group in enumerate(groups):
        if number == line:
            continue
        name = f"lines of {group.width} fields" if not group.tag else group.tag
        places = [at for at, other in enumerate(order) if other == number]
        followers = {order[at + 1] if at < last else -1 for at in places}
        if len(groups[line].rows) >= len(places) and group.width == groups[line].width and _weight(read[number]) > 3:  # noqa: PLR2004 - account and amount
            split = number
            continue
        if places[0] < first:
            is_file = len(places) == 1 and any(order[at] != number for at in range(places[0] + 1, first))
            keys = {"per": "file"} if is_file else {"per": "entry"}
            before.append(_other(sample, group, {"name": name, **keys}))
        elif line not in followers and number not in followers and places[-1] == last:
            after.append(_other(sample, group, {"name": name, "per": "entry", "place": "end"}))
        else:
            keys = {"per": "section"}
            if _follows_third_parties(order, places, line, read[line], groups[line]):
                keys = {"per": "line", "when": "third_party"}
            after.append(_other(sample, group, {"name": name, **keys}))
    yield from before
    if split is not None:
        _of_one_sign(read[split], read[line])
        said = "the first line of an entry is another record than those below it"
        yield _Record(
            {"name": groups[split].tag or "first", "when": "line_in_entry = 1"},
            groups[split],
            read[split].guesses(),
            said,
        )
        yield _Record(
            {"name": groups[line].tag or "line", "when": "line_in_entry > 1"}, groups[line], read[line].guesses()
        )
    else:
        yield _Record({"name": "line"}, groups[line], read[line].guesses(), f"a line of an entry{tag}" if tag else "")
    yield from after


def _of_one_sign(*columns: Columns) -> None:
    """Where amounts of one record have a sign, those of the other have one too."""
    guesses = [guess for one in columns for guess in one.guesses()]
    if any(guess.column == "amount" for guess in guesses):
        for guess in guesses:
            if guess.column == "side_amount":
                guess.column, guess.note = "amount", "debit above 0, credit below"
                guess.keys["from"] = "amount"


def _other(sample: Sample, group: Group, keys: dict[str, str]) -> _Record:
    """A record that is no line with account and amount."""
    guesses = Columns(sample.kind, group, is_line=False).guesses()
    if keys["per"] == "file":
        for guess in guesses:
            _forget(guess)
    elif keys["per"] == "section":
        _section(guesses)
    elif keys["per"] == "line":
        _third_party(guesses)
    said = {
        "file": "comes once in the sample, on top: check whether per is file",
        "entry": "comes before the lines of an entry, or behind them: check whether per is entry",
        "section": "comes behind a line: check whether per is section (of an axis), or line with a condition",
        "line": "comes behind lines of third parties: check when",
    }
    return _Record(keys, group, guesses, said[keys["per"]])


def _section(guesses: list[Guess]) -> None:
    """Maps what a record of a section has: the last word in it is its code, an amount its share."""
    words = []
    for guess in guesses:
        values = guess.examples
        found = amounts(values)
        if guess.note and guess.keys.get("value") and guess.note.startswith("says"):
            continue
        if found is not None and found[1].point:
            how = {"scale": found[1].scale, "point": found[1].point}
            guess.column, guess.keys, guess.note = (
                "section_amount",
                {"from": "section_amount", "decimal": how},
                "its share",
            )
        elif values and all(re.match(r"[A-Z][A-Z0-9_-]*\Z", value) for value in values):
            words.append(guess)
            guess.column, guess.keys = "", {"value": values[0] if len(values) == 1 else ""}
            guess.note, guess.is_sure = "perhaps axis", len(values) == 1
        else:
            _forget(guess)
    if words:
        words[-1].column, words[-1].keys, words[-1].note = "section", {"from": "section"}, "or section_label"
        words[-1].is_sure = True


def _third_party(guesses: list[Guess]) -> None:
    """Maps what a record behind a line of a third party has: its amount, and when it is due."""
    for guess in guesses:
        found = amounts(guess.examples)
        if guess.column == "entry_date" and "date" in guess.keys:
            guess.column, guess.note = "due_on", "or entry_date"
            guess.keys["from"] = "due_on"
        elif not guess.column and found is not None and found[1].point:
            how = {"scale": found[1].scale, "point": found[1].point}
            guess.column, guess.note = "side_amount", "the amount of the line"
            guess.keys = {"from": "side_amount", "decimal": how}
        elif guess.column == "entry_number" and len(guess.examples) == 1:
            guess.column, guess.keys, guess.note = "", {"value": guess.examples[0]}, "perhaps entry_number"


def _forget(guess: Guess) -> None:
    """Takes a mapping back, where the record has no such column."""
    if not guess.column:
        return
    guess.note = f"perhaps {guess.column}, where the record has it"
    guess.column, guess.is_sure = "", False
    guess.keys = {"value": guess.examples[0] if len(guess.examples) == 1 else ""}


def _follows_third_parties(order: list[int], places: list[int], line: int, columns: Columns, group: Group) -> bool:
    """Whether lines of a kind come behind lines of class 4 alone."""
    accounts = next((at for at, guess in enumerate(columns.guesses()) if guess.column == "account"), None)
    if accounts is None:
        return False
    lines = [at for at, number in enumerate(order) if number == line]
    rows = [max((n for n, at in enumerate(lines) if at < place), default=None) for place in places]
    return all(row is not None and group.rows[row][accounts].strip().startswith("4") for row in rows)


# --------------------------------------------------------------------------------------------------------------- TOML


def _keys(sample: Sample, shape: str, sample_name: str) -> Iterator[str]:
    yield f'kind      = "{sample.kind}"'
    found = re.search(r"\.([A-Za-z0-9]{1,8})\Z", sample_name)
    ending = {"xlsx": "xlsx", "parquet": "parquet"}.get(sample.kind, found[1] if found else "txt")
    named = "legal_entity & '_' & date(first_on, '%Y%m%d') & '-' & date(last_on, '%Y%m%d') & '_' & export_number"
    file = f"{named} & '.{ending}'"
    yield f"file      = {_text(file)}"
    if shape == "pairs":
        yield 'shape     = "pairs"    # each line has a debited and a credited account'
    if sample.kind in ("xlsx", "parquet"):
        if sample.kind == "xlsx":
            yield f"names     = {str(sample.has_names).lower()}"
            yield "totals_sheet = false"
        return
    said = "    # ASCII alone in the sample; cp1252 or utf-8 keeps accents" if sample.encoding == "ascii" else ""
    yield f'encoding  = "{sample.encoding}"{said}'
    if not sample.encoding.startswith("utf"):
        yield 'unknown_characters = "replace"'
    yield f"newline   = {_text(sample.newline)}"
    if sample.kind == "delimited":
        yield f"separator = {_text(sample.separator)}"
        yield f"names     = {str(sample.has_names).lower()}"
        said = {"never": "    # no quotes in the sample", "always": ""}.get(sample.quote, "")
        yield f'quote     = "{sample.quote}"{said}'
    if sample.heading and not _is_cut(sample):
        yield "# the lines on top, as they stand in the sample: what changes with the file becomes an expression"
        yield "heading = ["
        for line in sample.heading:
            yield f"    {_text(_literal(line))},"
        yield "]"


def _around(sample: Sample, records: list[_Record]) -> Iterator[str]:
    """The records one below the other, with what stands on top of a sheet or around the objects of JSON."""
    sheet = f"sheet = {_text(sample.sheet)}" if sample.sheet else ""
    rows = [line.split(sample.separator) for line in sample.heading] if _is_cut(sample) else []
    for row in [*rows, *sample.heading_rows]:
        yield from ("", "[[record]]", 'per   = "file"')
        if sheet:
            yield sheet
        yield f"row   = [{', '.join(map(_text, row))}]"
    if sample.wrap is not None:
        yield from ("", "[[record]]", 'per   = "file"', f"text  = {_text(_literal(sample.wrap[0]))}")
    for record in records:
        yield from ("", f"[[record]]{f'    # {record.note}' if record.note else ''}")
        for key, value in record.keys.items():
            yield f"{key:<5} = {_text(_plain(value))}"
        if sheet:
            yield sheet
        if sample.wrap is not None:
            yield "before = \"if line_in_file > 1 then ',' else ''\""
        yield from ("field = [", *_fields(sample, record), "]")
    if sample.wrap is not None:
        yield from ("", "[[record]]", 'per   = "file"', 'place = "end"', f"text  = {_text(_literal(sample.wrap[1]))}")
    for line in sample.tail:
        yield from ("", "[[record]]    # the last line, as it stands in the sample", 'per   = "file"', 'place = "end"')
        yield f"text  = {_text(_literal(line))}"


def _fields(sample: Sample, record: _Record) -> Iterator[str]:
    for number, guess in enumerate(record.guesses, start=1):
        raw = [row[number - 1] if number <= len(row) else "" for row in record.group.rows]
        keys = {"name": guess.name, **_placed(sample, record.group, number - 1, guess, raw), **guess.keys}
        if sample.kind == "delimited" and number - 1 in record.group.quoted:
            keys["quoted"] = True
        if sample.kind == "json" and "value" in keys and number - 1 in record.group.typed:
            keys["bare"] = bool(_NUMBER.match(str(keys["value"])))
        if isinstance(keys.get("value"), str) and _SETTING.match(keys["value"]):
            keys = {("expression" if key == "value" else key): value for key, value in keys.items()}
            keys["expression"] = _literal(str(keys["expression"]))
        if _SETTING.match(guess.name):
            keys["name"] = f"field {number}"
        examples = " | ".join(_comment(example) for example in guess.examples)
        yield f"    # {number}  {examples}".rstrip()
        said = f"    # {_comment(guess.note)}" if guess.note else ""
        yield f"    {{ {', '.join(f'{key} = {_value(value)}' for key, value in keys.items())} }},{said}"


def _placed(sample: Sample, group: Group, at: int, guess: Guess, raw: list[str]) -> dict[str, Any]:
    """Where a field stands, how long it is, and what fills it up."""
    keys: dict[str, Any] = {}
    filled = [cell for cell in raw if cell.strip()]
    is_wide = len({len(cell) for cell in raw}) == 1 and bool(raw) and len(raw[0]) > 0
    is_figure = "decimal" in guess.keys or guess.column in _COUNTED
    zeros = is_wide and is_figure and all(re.match(r"[+-]?0", cell) for cell in filled) and len(filled) == len(raw)
    zeros = (
        zeros
        and len(raw[0].lstrip("+-")) > 1
        and raw[0] == raw[0].rstrip()
        and not all(re.match(r"[+-]?0[.,]", cell) for cell in filled)
    )
    if sample.kind == "fixed":
        keys["at"] = "{}-{}".format(*group.spans[at])
        is_right = bool(filled) and all(cell == cell.rstrip() for cell in filled)
        is_right = is_right and (any(cell != cell.lstrip() for cell in filled) or is_figure)
    else:
        is_padded = is_wide and any(cell != cell.strip() for cell in raw) and len(raw[0]) <= _LONGEST_FIELD
        if sample.kind != "delimited" or not (is_padded or zeros):
            return keys
        keys["length"] = len(raw[0])
        keys["align"] = "left"
        is_right = any(cell.strip() and cell != cell.lstrip() for cell in raw)
    is_account = guess.column == "account" and is_wide and all(re.match(r"\d{5,}000\Z", cell) for cell in raw)
    if is_account and len(set(raw)) > 1:
        keys["pad"] = "0"
        keys |= {} if sample.kind == "fixed" else {"length": len(raw[0])}
    if zeros:
        keys |= {"align": "right", "pad": "0"}
    elif is_right:
        keys["align"] = "right"
    if guess.column in _CUT:
        keys["overflow"] = _CUT[guess.column]
    return keys


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(key)} = {_value(said)}' for key, said in value.items())} }}"
    return _text(str(value))


def _key(key: str) -> str:
    return key if _BARE.match(key) else _text(key)


def _text(text: str) -> str:
    """A text as TOML writes it."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _literal(text: str) -> str:
    """A text as an expression writes it."""
    return "'" + text.replace("'", "''") + "'"


def _plain(text: str) -> str:
    return text if not _SETTING.match(text) else text[1:]


def _comment(text: str) -> str:
    """A text as a comment shows it: on one line, and not too long."""
    shown = "".join(c if c.isprintable() else "\u00b7" for c in text)
    return shown if len(shown) <= _LONGEST_EXAMPLE * 4 else f"{shown[: _LONGEST_EXAMPLE * 4]}\u2026"
