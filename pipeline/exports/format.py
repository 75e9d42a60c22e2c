"""Export formats: one TOML file each, the accounting package's manual field by field (docs/formats.md).

A format is checked whole when it is loaded: unknown keys and columns, wrong types, positions that do not tile the
record. An error names the file, the field and its positions.
"""

from __future__ import annotations

import re
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import ValidationError

from pipeline.errors import FormatError
from pipeline.exports import columns
from pipeline.exports.description import NAMES, Format, Record, Setting
from pipeline.exports.expressions import (
    Check,
    Column,
    Names,
    Type,
    Typed,
    amount_text,
    column_value,
    compile_expression,
    date_text,
    mapped,
    text_of,
    trimmed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.exports.description import FieldFormat, Per

FORMATS = Path(__file__).parent / "formats"

_MORE = "docs/formats.md lists the keys"
#: keys whose texts are expressions, in which a setting is a constant of its own
_EXPRESSIONS = frozenset({"expression", "file", "files", "heading", "text", "when", "before", "after"})
#: keys in which a $ is a $
_PLAIN = frozenset({"title", "source", "package", "unsure", "manual", "settings", "maps"})
_SETTING = re.compile(r"\$([a-z][a-z0-9_]*)\Z")


@dataclass(frozen=True)
class Cell:
    """A field made ready to be written.

    place: what a message calls it. source_type: what it was before it was a text.
    """

    name: str
    field: FieldFormat
    typed: Typed
    place: str
    source_type: Type = Type.TEXT

    @property
    def is_figure(self) -> bool:
        """Whether it is a number or a date, and no text."""
        return self.source_type in (Type.AMOUNT, Type.NUMBER, Type.DATE)


@dataclass(frozen=True)
class LoadedRecord:
    """A record made ready to be written: its cells, one for every axis in place of `axis_*`, or its text."""

    record: Record
    place: str
    cells: tuple[Cell, ...] = ()
    text: Typed | None = None
    when: Typed | None = None
    before: Typed | None = None
    after: Typed | None = None

    @property
    def is_left_out(self) -> bool:
        """Whether settings leave it out: its condition reads no column, and does not hold."""
        return self.when is not None and not self.when.columns and not pl.select(self.when.value).item()

    @property
    def parts(self) -> list[Typed]:
        """All expressions of it."""
        wraps = [self.text, self.when, self.before, self.after]
        return [*(cell.typed for cell in self.cells), *(part for part in wraps if part is not None)]

    @property
    def read_columns(self) -> frozenset[str]:
        """The columns that it reads."""
        return frozenset().union(*(part.columns for part in self.parts))


@dataclass(frozen=True)
class LoadedFormat:
    """A format with its name, the text that it was read from, its settings, and its compiled expressions."""

    name: str
    text: str
    format: Format
    records: tuple[LoadedRecord, ...]
    file: Typed
    files: Mapping[str, Typed]
    #: a profile's codes of columns that lines are merged by
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: the bytes of the workbook that is filled
    template: bytes | None = None
    #: columns that are read besides, for who looks at the lines
    beside: frozenset[str] = frozenset()

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The fields of its first record per line."""
        return next((made.cells for made in self.records if made.record.per == "line" and made.cells), ())

    @property
    def read_columns(self) -> frozenset[str]:
        """The columns that its records read, besides those that name a row."""
        return self.beside.union(*(made.read_columns for made in self.records))

    @property
    def wants_entries(self) -> bool:
        """Whether it wants its entries whole: most are written line by line."""
        return _wants_entries(self.format, self.records)

    @property
    def has_every_axis(self) -> bool:
        """Whether it has a field, or a record, for each axis of the ledger."""
        return any(
            made.record.per == "section" or any(cell.field.source == columns.EVERY_AXIS for cell in made.cells)
            for made in self.records
        )

    def with_axes(self, names: list[str]) -> LoadedFormat:
        """The format with a field for each of the columns `axis_<axis>` of the ledger in place of `axis_*`."""
        records = []
        for made in self.records:
            if made.record.name == NAMES and made.record.row == [cell.name for cell in self.cells]:
                row = [cell.name for cell in _every_axis(self.cells, names)]
                records.append(replace(made, record=made.record.model_copy(update={"row": row})))
            else:
                records.append(replace(made, cells=_every_axis(made.cells, names)))
        return replace(self, records=tuple(records))


def _every_axis(cells: tuple[Cell, ...], axes: list[str]) -> tuple[Cell, ...]:
    made: list[Cell] = []
    for cell in cells:
        if cell.field.source == columns.EVERY_AXIS:
            made += [replace(cell, name=name, typed=column_value(name, columns.axis_column())) for name in axes]
        else:
            made.append(cell)
    return tuple(made)


@dataclass(frozen=True)
class Wishes:
    """What a profile asks of a format beside what the format says.

    settings: values of its settings. codes: per column our code and theirs. labels: per journal an expression for the
    label of its lines. maps: lines of its tables. keys: keys of the format in place of its own.
    """

    where: str = "profile"
    settings: Mapping[str, str | int | bool] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    keys: Mapping[str, Any] = field(default_factory=dict)


def load_format(name: str, wishes: Wishes | None = None) -> LoadedFormat:
    """Loads a format by the name of a shipped one, or the path of a TOML file.

    Raises: FormatError naming the file, the field and what is wrong.
    """
    path = FORMATS / f"{name}.toml" if name in shipped() else Path(name)
    if path.suffix != ".toml" or not path.is_file():
        raise FormatError(
            f"there is no format {name!r}; there are {', '.join(shipped())}",
            mend="name one of these, or give the path of a .toml file",
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"this cannot be read ({error})", where=f"format {path.name}") from None
    loaded = parse_format(path.stem, text, wishes)
    if loaded.format.template is None:
        return loaded
    given = (wishes or Wishes()).keys.get("template")
    template = path.parent / loaded.format.template if given is None else Path(given)
    try:
        return replace(loaded, template=template.read_bytes())
    except OSError as error:
        where = f"format {loaded.name}, template" if given is None else f"{(wishes or Wishes()).where}, template"
        raise FormatError(f"this cannot be read ({error})", where=where) from None


@cache
def shipped() -> tuple[str, ...]:
    """The names of the formats that come with the program."""
    return tuple(sorted(path.stem for path in FORMATS.glob("*.toml")))


def parse_format(
    name: str, text: str, wishes: Wishes | None = None, findings: list[FormatError] | None = None
) -> LoadedFormat:
    """Reads a format's text.

    findings: given a list, what is wrong in single fields and records is added to it and does not end the reading.
    Raises: FormatError as load_format does.
    """
    where = f"format {name}.toml"
    asked = wishes or Wishes()
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(f"this is no TOML: {error}", where=where) from None
    settings = _settings(raw, where, asked)
    for table, codes in asked.maps.items():
        if table not in raw.get("maps", {}):
            known = ", ".join(raw.get("maps", {})) or "none"
            raise FormatError(f"format {name} has no table {table}; it has {known}", where=f"{asked.where}, maps")
        raw["maps"][table] = {**raw["maps"][table], **codes}
    try:
        read = Format.model_validate({**_substituted(raw, settings, where), **asked.keys})
    except ValidationError as error:
        raise FormatError(invalid(error, raw), where=where, mend=_MORE) from None
    scope = replace(_Scope.of(read, settings, asked), findings=findings)
    for column in read.order:
        if column not in {**scope.lines, "line_number": None}:
            raise FormatError(f"there is no column {column} to order by", where=f"{where}, order", mend=_MORE)
    loaded = (_loaded(record, scope, where, number) for number, record in enumerate(read.records, start=1))
    records = tuple(made for made in loaded if not made.is_left_out)
    _check_entries(read, records, where)
    file = scope.text(read.file, columns.FILES, f"{where}, file")
    files = {key: scope.text(source, columns.FILES, f"{where}, files, {key}") for key, source in read.files.items()}
    first = {column: codes for column, codes in asked.codes.items() if _is_coded_first(column)}
    return LoadedFormat(name, text, read, records, file, files, first)


def _settings(raw: dict[str, Any], where: str, asked: Wishes) -> dict[str, str | int | bool]:
    """The values of the format's settings. Raises: FormatError for what is not one, or not given."""
    try:
        known = {name: Setting.model_validate(said) for name, said in raw.get("settings", {}).items()}
    except ValidationError as error:
        raise FormatError(f"settings: {invalid(error, raw)}", where=where, mend=_MORE) from None
    except AttributeError:
        raise FormatError("settings are tables, each [settings.name]", where=where, mend=_MORE) from None
    for name, value in asked.settings.items():
        place = f"{asked.where}, settings, {name}"
        setting = known.get(name)
        if setting is None:
            raise FormatError(f"the format has no such setting; it has {', '.join(known) or 'none'}", where=place)
        if type(value) is not setting.type:
            kind = {str: "a text", int: "a whole number", bool: "true or false"}[setting.type]
            raise FormatError(f"{value!r} is not {kind}", where=place, mend=setting.meaning)
        if setting.choices and value not in setting.choices:
            raise FormatError(f"{value!r} is none of {', '.join(map(repr, setting.choices))}", where=place)
    values = {name: asked.settings.get(name, setting.default) for name, setting in known.items()}
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise FormatError(
            f"the setting {missing[0]} has to be given: {known[missing[0]].meaning}",
            where=where,
            mend=f"write it in a profile, under [settings]: {missing[0]} = …",
        )
    return {name: value for name, value in values.items() if value is not None}


def _substituted(raw: Any, settings: Mapping[str, str | int | bool], where: str) -> Any:
    """The format with the value of a setting wherever `$name` stands for a value. Raises: FormatError."""
    if isinstance(raw, dict):
        return {
            key: said
            if key in _PLAIN or (key in _EXPRESSIONS and isinstance(said, str | list | dict))
            else _substituted(said, settings, where)
            for key, said in raw.items()
        }
    if isinstance(raw, list):
        return [_substituted(said, settings, where) for said in raw]
    found = _SETTING.match(raw) if isinstance(raw, str) else None
    if found is None:
        return raw
    if found[1] not in settings:
        raise FormatError(f"there is no setting {found[1]}", where=where, mend="write it under [settings]")
    return settings[found[1]]


@dataclass(frozen=True)
class _Scope:
    """What the expressions of a format may name."""

    form: Format
    lines: Mapping[str, Column]
    settings: Mapping[str, str | int | bool]
    overrides: Mapping[str, Typed]
    findings: list[FormatError] | None = None

    @classmethod
    def of(cls, form: Format, settings: Mapping[str, str | int | bool], asked: Wishes) -> _Scope:
        known = dict(columns.PAYMENTS if form.of == "payments" else columns.LINES)
        if form.of == "lines":
            known |= columns.DERIVED | {name: column for name, column in columns.FILES.items() if name not in known}
            said = [part for record in form.records for part in _sources(record)]
            said += [value for value in settings.values() if isinstance(value, str)]  # columns of fill()
            known |= {axis: columns.axis_column() for axis in re.findall(r"\baxis_[a-z][a-z0-9_]*", " ".join(said))}
            if form.shape == "pairs":
                known |= columns.contra_columns()
        scope = cls(form, known, settings, {})
        return replace(scope, overrides=_overrides(scope, asked))

    def columns_of(self, per: Per) -> Mapping[str, Column]:
        if per == "file":
            return {**columns.FILES, **columns.FILE_TOTALS}
        if per == "account":
            return {**columns.FILES, **{name: self.lines[name] for name in columns.ACCOUNT}}
        return {**self.lines, **columns.SECTIONS} if per == "section" else self.lines

    def compile(self, source: str, known: Mapping[str, Column], place: str) -> Typed:
        scope = Names(known, self.form.maps, self.settings, self.overrides)
        return compile_expression(source, scope, place)

    def text(self, source: str, known: Mapping[str, Column], place: str) -> Typed:
        with self.finding():
            return _written(self.compile(source, known, place), place)
        return _NOTHING

    def condition(self, source: str, known: Mapping[str, Column], place: str) -> Typed:
        with self.finding():
            made = self.compile(source, known, place)
            if made.type != Type.BOOLEAN:
                raise FormatError(f"a condition is wanted here, not {made.type}", where=place)
            return made
        return _NOTHING

    @contextmanager
    def finding(self) -> Iterator[None]:
        """Ends the reading at what is wrong, or keeps it and goes on."""
        try:
            yield
        except FormatError as error:
            if self.findings is None:
                raise
            self.findings.append(error)


#: what stands for an expression that cannot be read, while others are looked at
_NOTHING = Typed(Type.TEXT, pl.lit(""), "")


def _sources(record: Record) -> list[str]:
    fields = [part or "" for field in record.field for part in (field.source, field.expression)]
    return [*fields, record.when or "", record.text or "", record.before, record.after]


def _is_coded_first(column: str) -> bool:
    """Whether codes of a column stand in the lines before these are merged."""
    return column in columns.CODED_FIRST or column.startswith(columns.AXIS)


def _overrides(scope: _Scope, asked: Wishes) -> dict[str, Typed]:
    """The columns that the profile makes something else of: its labels, and its codes in place of ours."""
    made: dict[str, Typed] = {}
    if scope.form.of != "lines":
        return made
    for column, codes in asked.codes.items():
        where = f"{asked.where}, codes, {column}"
        named = {**scope.lines, **columns.SECTIONS}
        if column not in named and not column.startswith(columns.AXIS):
            raise FormatError(f"there is no column {column}", where=where, mend=_MORE)
        known = named.get(column, columns.axis_column())
        if known.type != Type.TEXT:
            raise FormatError(f"codes are texts, and {column} is {known.type}", where=where)
        if _is_coded_first(column):
            continue
        for name in (column, f"{columns.CONTRA}{column}", f"{columns.COUNTERPART}{column}"):
            typed = column_value(name, known)
            made[name] = replace(typed, value=pl.coalesce(mapped(typed.value, codes), typed.value), is_figure=False)
    label = column_value("label", columns.LINES["label"])
    for journal, source in asked.labels.items():
        where = f"{asked.where}, labels, {journal}"
        typed = compile_expression(source, Names(scope.lines, scope.form.maps, scope.settings, made), where)
        if typed.type != Type.TEXT:
            raise FormatError(f"a label is a text, and this is {typed.type}", where=where)
        is_its = pl.col("journal") == str(journal)
        value = pl.when(is_its).then(text_of(typed)).otherwise(label.value)
        checks = (*label.checks, *(replace(check, broken=is_its & check.broken) for check in typed.checks))
        label = replace(
            label, value=value, columns=label.columns | typed.columns | {"journal"}, checks=checks, is_figure=False
        )
    if asked.labels:
        made["label"] = label
    for prefix in ("", columns.CONTRA):
        account, auxiliary = (
            made.get(f"{prefix}{name}", column_value(f"{prefix}{name}", columns.LINES[name]))
            for name in ("account", "auxiliary")
        )
        chosen = pl.when(pl.col(f"{prefix}third_party")).then(auxiliary.value).otherwise(account.value)
        read = account.columns | auxiliary.columns | {f"{prefix}third_party"}
        made[f"{prefix}posting_account"] = Typed(Type.TEXT, chosen, columns=read)
    return made


def _wants_entries(form: Format, records: tuple[LoadedRecord, ...]) -> bool:
    """Whether entries have to be whole: for records between them, for what is counted by them, and to be reshaped."""
    per = {made.record.per for made in records} - {"line", "file", "account"}
    read = frozenset().union(*(made.read_columns for made in records))
    counted = read & ((columns.DERIVED.keys() - {"line_in_file"}) | columns.FILE_TOTALS.keys())
    limits = form.max_lines or form.max_entries or form.max_entry_lines
    is_shaped = form.shape != "lines" or form.rounding is not None or not form.merge.is_identity
    return bool(per or counted or limits or is_shaped or form.merge.entries != "entry")


def _check_entries(form: Format, records: tuple[LoadedRecord, ...], where: str) -> None:
    """Holds the order to what the records need: entries whole, and journals whole. Raises: FormatError."""
    per = {made.record.per for made in records}
    keys = {"journal_code", "fiscal_year", "entry_number"}
    loose = [
        column
        for number, column in enumerate(form.order)
        if column not in columns.OF_ENTRIES
        or (column in ("third_party", "line_number") and not keys <= set(form.order[:number]))
    ]
    if _wants_entries(form, records) and loose:
        raise FormatError(
            f"{loose[0]} would take entries apart",
            where=f"{where}, order",
            mend="order by columns of whole entries; what orders their lines comes after entry_number",
        )
    if "journal" in per and form.order[0] != "journal_code":
        raise FormatError(
            "records per journal want the lines by journal", where=f"{where}, order", mend="begin with journal_code"
        )


def _loaded(record: Record, scope: _Scope, where: str, number: int) -> LoadedRecord:
    """Compiles a record. Raises: FormatError naming it."""
    form = scope.form
    place = where if not form.record else f"{where}, record {record.name or number}"
    known = scope.columns_of(record.per)
    if form.of == "payments" and record.per != "file":
        known = columns.PAYMENTS
    if record.name == "heading":
        place = f"{where}, heading"
    cells = tuple(
        _cell(form, field, scope, known, f"{place}, field {position} ({field.name}){_at(field.at)}")
        for position, field in enumerate(record.field, start=1)
    )
    return LoadedRecord(
        record,
        place,
        cells,
        None if record.text is None else scope.text(record.text, known, place),
        None if record.when is None else scope.condition(record.when, known, f"{place}, when"),
        scope.text(record.before, known, f"{place}, before") if record.before else None,
        scope.text(record.after, known, f"{place}, after") if record.after else None,
    )


def invalid(error: ValidationError, raw: dict[str, Any]) -> str:
    """What pydantic found wrong in a TOML file, each finding with its place, in words for who wrote it."""
    said = []
    for found in error.errors(include_url=False):
        place: list[str] = []
        for part in found["loc"]:
            if isinstance(part, int):
                item = raw.get(str(found["loc"][0]), [])
                name = item[part].get("name") if part < len(item) and isinstance(item[part], dict) else None
                at = item[part].get("at") if name else None
                place[-1:] = [f"{place[-1]} {part + 1}" + (f" ({name}){_at(at)}" if name else "")]
            else:
                place.append(str(part))
        message = found["msg"].removeprefix("Value error, ")
        if found["type"] == "extra_forbidden":
            message = "there is no such key"
        elif found["type"] == "missing":
            message = "this key is missing"
        said.append(f"{', '.join(place)}: {message}" if place else message)
    return "; ".join(dict.fromkeys(said))


def _at(at: object) -> str:
    return f", positions {at}" if at else ""


def _cell(form: Format, field: FieldFormat, scope: _Scope, known: Mapping[str, Column], place: str) -> Cell:
    """Compiles a field. Raises: FormatError naming it."""
    with scope.finding():
        return _compiled_cell(form, field, scope, known, place)
    return Cell(field.name, field, _NOTHING, place)


def _compiled_cell(form: Format, field: FieldFormat, scope: _Scope, known: Mapping[str, Column], place: str) -> Cell:
    if field.source == columns.EVERY_AXIS:
        if form.kind == "fixed" or form.of != "lines" or known is columns.FILES:
            raise FormatError("which axes there are depends on the company: name one", where=place)
        return Cell(field.name, field, Typed(Type.TEXT, pl.lit("")), place)
    typed = _origin(field, scope, known, place)
    source_type = typed.type
    if field.map is not None:
        typed = _mapped(form, field, typed, place)
    if field.date is not None:
        _demand(typed, Type.DATE, "date", place)
        try:
            typed = date_text(typed, field.date)
        except ValueError as error:
            raise FormatError(str(error), where=place) from None
    if field.decimal is not None:
        _demand(typed, Type.AMOUNT, "decimal", place)
        how = field.decimal
        scale = None if how.scale == "currency" else how.scale
        signs = {"plus": how.plus, "minus": how.minus, "sign": how.sign, "thousands": how.thousands}
        typed = amount_text(typed, scale, how.point, blank_zero=how.blank_zero, **signs)
    if form.kind not in ("xlsx", "parquet"):
        typed = _written(typed, place)
    elif typed.digits is not None:
        typed = replace(typed, columns=typed.columns | {typed.digits})
    if field.reads is not None and field.reads not in known:
        raise FormatError(f"there is no column {field.reads} to read", where=place, mend=_MORE)
    if field.required:
        empty = trimmed(text_of(typed)) == ""
        typed = replace(typed, checks=(*typed.checks, Check(empty, pl.lit(""), "is empty, and the format wants it")))
    return Cell(field.name, field, typed, place, source_type)


def _origin(field: FieldFormat, scope: _Scope, known: Mapping[str, Column], place: str) -> Typed:
    if field.source is not None:
        if field.source not in known:
            raise FormatError(f"there is no column {field.source}", where=place, mend=_MORE)
        return scope.overrides.get(field.source) or column_value(field.source, known[field.source])
    if field.expression is not None:
        return scope.compile(field.expression, known, place)
    return Typed(Type.TEXT, pl.lit(field.value), field.value)


def _mapped(form: Format, field: FieldFormat, typed: Typed, place: str) -> Typed:
    _demand(typed, Type.TEXT, "map", place)
    table = form.maps.get(field.map) if isinstance(field.map, str) else field.map
    if table is None:
        raise FormatError(f"there is no table [maps.{field.map}]", where=place)
    text = text_of(typed)
    found = mapped(text, table)
    checks = typed.checks
    if field.unmapped == "keep":
        found = pl.coalesce(found, text)
    elif field.unmapped == "error":
        checks = (*checks, Check(found.is_null() & (text != ""), text, "stands on the left of no line of the map"))
    return replace(typed, value=found, checks=checks, constant=None, is_figure=False)


def _demand(typed: Typed, wanted: Type, key: str, place: str) -> None:
    if typed.type != wanted:
        raise FormatError(f"{key} is for {wanted}, and this is {typed.type}", where=place)


def _written(typed: Typed, place: str) -> Typed:
    """The value as a text. Raises: FormatError where the format does not say how it is written."""
    if typed.type in (Type.TEXT, Type.NUMBER):
        return replace(typed, type=Type.TEXT, value=text_of(typed), is_figure=typed.is_figure)
    how = {
        Type.AMOUNT: 'write decimal = { scale = 2, point = "," }, or amount() or money() in an expression',
        Type.DATE: 'write date = "%Y-%m-%d", or date() in an expression',
        Type.BOOLEAN: "write if … then … else …",
    }
    raise FormatError(f"this is {typed.type}, and a field is a text", where=place, mend=how[typed.type])
