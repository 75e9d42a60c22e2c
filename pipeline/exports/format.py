"""Export formats: one TOML file each, the accounting package's manual field by field (docs/formats.md).

A format is checked whole when it is loaded: unknown keys and columns, wrong types, positions that do not tile the
record. An error names the file, the field and its positions.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline.errors import FormatError
from pipeline.exports import columns
from pipeline.exports.expressions import (
    Check,
    Column,
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
    from collections.abc import Iterable

FORMATS = Path(__file__).parent / "formats"

Kind = Literal["delimited", "fixed", "xlsx", "pain.001"]
Character = Annotated[str, Field(min_length=1, max_length=1)]
_ENCODINGS = Literal["utf-8", "utf-8-sig", "cp1252", "iso8859-1", "iso8859-15", "ascii", "cp850"]
_AT = re.compile(r"([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?\Z")
_MORE = "docs/formats.md lists the keys"

#: the keys that say something in some kinds only
_KEYS_OF: dict[str, set[str]] = {
    "separator": {"delimited"},
    "names": {"delimited"},
    "quote": {"delimited"},
    "formula": {"delimited"},
    "encoding": {"delimited", "fixed"},
    "unknown_characters": {"delimited", "fixed"},
    "newline": {"delimited", "fixed"},
    "heading": {"delimited", "fixed"},
    "replace": {"delimited", "fixed"},
}
_FIELD_KEYS_OF: dict[str, set[str]] = {
    "at": {"fixed"},
    "align": {"fixed"},
    "pad": {"fixed"},
    "overflow": {"fixed"},
    "decimal": {"delimited", "fixed"},
    "date": {"delimited", "fixed"},
    "width": {"xlsx"},
    "number_format": {"xlsx"},
}


class Decimals(BaseModel):
    """How an amount is written. point: the decimal mark, empty for a whole number of the last decimal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scale: Annotated[int, Field(ge=0, le=4)] | Literal["currency"] = "currency"
    point: Annotated[str, Field(max_length=1)] = "."
    plus: Annotated[str, Field(max_length=1)] = ""
    minus: Annotated[str, Field(max_length=1)] = "-"
    blank_zero: bool = False


class FieldFormat(BaseModel):
    """A field of a record: what it is `from` (a column), its constant `value`, or an `expression`; and how it looks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1)]
    source: Annotated[str | None, Field(alias="from")] = None
    value: str | None = None
    expression: str | None = None
    map: dict[str, str] | str | None = None
    unmapped: Literal["error", "keep", "empty"] = "error"
    date: str | None = None
    decimal: Decimals | None = None
    required: bool = False
    at: str | None = None
    align: Literal["left", "right"] = "left"
    pad: Character = " "
    overflow: Literal["error", "cut", "cut_left"] = "error"
    width: Annotated[int, Field(gt=0, le=255)] | None = None
    number_format: str | None = None

    @field_validator("at")
    @classmethod
    def _positions(cls, at: str | None) -> str | None:
        if at is not None and not _AT.match(at):
            message = f'{at!r} are no positions: write "from-to", the first being 1'
            raise ValueError(message)
        return at

    @model_validator(mode="after")
    def _one_origin(self) -> FieldFormat:
        given = [name for name, what in self._origins().items() if what is not None]
        if len(given) != 1:
            message = f"write one of from, value and expression, not {' and '.join(given) or 'none'}"
            raise ValueError(message)
        return self

    def _origins(self) -> dict[str, str | None]:
        return {"from": self.source, "value": self.value, "expression": self.expression}

    @property
    def span(self) -> tuple[int, int]:
        """First and last position, both in the field."""
        first, last = _AT.match(self.at or "1").groups()  # type: ignore[union-attr]  # the validator has matched it
        return int(first), int(last or first)


class Format(BaseModel):
    """A native import format; docs/formats.md says what each key means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    source: str
    kind: Kind
    of: Literal["lines", "payments"] = "lines"
    file: str
    entries: Literal["new", "all"] = "new"
    split_by: Literal["fiscal_year"] | None = None
    order: list[str] = ["entry_date", "journal_code", "fiscal_year", "entry_number", "line_number"]
    needs_siren: bool = False
    negative: Literal["allowed", "never"] = "allowed"
    encoding: _ENCODINGS = "utf-8"
    unknown_characters: Literal["error", "fold", "replace"] = "error"
    newline: Literal["\n", "\r\n", "\r"] = "\r\n"
    heading: list[str] = []
    names: bool = True
    separator: Character = ","
    quote: Literal["where_needed", "always", "never"] = "where_needed"
    formula: Literal["escape", "keep", "error"] = "keep"
    replace: dict[Character, str] = {}
    maps: dict[str, dict[str, str]] = {}
    field: list[FieldFormat] = []

    @field_validator("separator")
    @classmethod
    def _separates(cls, separator: str) -> str:
        if separator.isalnum() or separator in "\"'-.\r\n":
            message = f"{separator!r} cannot stand between two fields"
            raise ValueError(message)
        return separator

    @model_validator(mode="after")
    def _keys_are_of_the_kind(self) -> Format:
        for key, kinds in _KEYS_OF.items():
            if key in self.model_fields_set and self.kind not in kinds:
                message = f"{key} says nothing in a format of kind {self.kind}"
                raise ValueError(message)
        if self.kind != "pain.001" and not self.field:
            message = "a format has at least one [[field]]"
            raise ValueError(message)
        if self.kind == "pain.001" and (self.field or self.of != "payments"):
            message = 'pain.001 has no fields of its own, and is of = "payments"'
            raise ValueError(message)
        unfit = [field.name for field in self.field if set(field.name) & {self.separator, "\r", "\n"}]
        if self.kind == "delimited" and self.names and self.quote == "never" and unfit:
            message = f"the name {unfit[0]!r} has the separator or a line break in it, and nothing is quoted"
            raise ValueError(message)
        if self.kind == "fixed" and self.encoding.startswith("utf-8"):
            message = "a fixed record counts bytes: choose an encoding of one byte a character, as cp1252"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _fields_are_of_the_kind(self) -> Format:
        expected = 1
        for number, field in enumerate(self.field, start=1):
            place = f"field {number} ({field.name})"
            for key, kinds in _FIELD_KEYS_OF.items():
                if key in field.model_fields_set and self.kind not in kinds:
                    message = f"{place}: {key} says nothing in a format of kind {self.kind}"
                    raise ValueError(message)
            if self.kind != "fixed":
                continue
            if field.at is None:
                message = f'{place} has no positions: write at = "from-to"'
                raise ValueError(message)
            first, last = field.span
            if first != expected or last < first:
                message = f"{place} is at {field.at}; the record goes on at {expected}, and each field to its end"
                raise ValueError(message)
            expected = last + 1
        return self

    @property
    def columns(self) -> dict[str, Column]:
        """The columns that its fields may name."""
        return columns.PAYMENTS if self.of == "payments" else columns.LINES


@dataclass(frozen=True)
class Cell:
    """A field made ready to be written. place: what a message calls it."""

    name: str
    field: FieldFormat
    typed: Typed
    place: str


@dataclass(frozen=True)
class LoadedFormat:
    """A format with its name, the text that it was read from, and its compiled expressions.

    cells: a field each, one for every axis in place of `axis_*`. heading: the lines at the top of the file.
    """

    name: str
    text: str
    format: Format
    cells: tuple[Cell, ...]
    file: Typed
    heading: tuple[Typed, ...]

    @property
    def read_columns(self) -> list[str]:
        """The columns that its fields read, besides those that name a row."""
        return sorted(frozenset().union(*(cell.typed.columns for cell in self.cells)))

    @property
    def has_every_axis(self) -> bool:
        """Whether it has a field for each axis of the ledger."""
        return any(cell.field.source == columns.EVERY_AXIS for cell in self.cells)

    def with_axes(self, axes: Iterable[str]) -> LoadedFormat:
        """The format with a field for each of the ledger's axes in place of `axis_*`."""
        names = [f"{columns.AXIS}{axis}" for axis in axes]
        cells: list[Cell] = []
        for cell in self.cells:
            if cell.field.source == columns.EVERY_AXIS:
                cells += [replace(cell, name=name, typed=column_value(name, columns.axis_column())) for name in names]
            else:
                cells.append(cell)
        return replace(self, cells=tuple(cells))


def load_format(name: str) -> LoadedFormat:
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
    return parse_format(path.stem, text)


@cache
def shipped() -> tuple[str, ...]:
    """The names of the formats that come with the program."""
    return tuple(sorted(path.stem for path in FORMATS.glob("*.toml")))


def parse_format(name: str, text: str) -> LoadedFormat:
    """Reads a format's text. Raises: FormatError as load_format does."""
    where = f"format {name}.toml"
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(f"this is no TOML: {error}", where=where) from None
    try:
        read = Format.model_validate(raw)
    except ValidationError as error:
        raise FormatError(invalid(error, raw), where=where, mend=_MORE) from None
    known = _known_columns(read)
    for column in read.order:
        if column not in known:
            raise FormatError(f"there is no column {column} to order by", where=f"{where}, order", mend=_MORE)
    cells = tuple(
        _cell(read, field, known, f"{where}, field {number} ({field.name}){_at(field.at)}")
        for number, field in enumerate(read.field, start=1)
    )
    file = _written(compile_expression(read.file, columns.FILES, f"{where}, file", read.maps), f"{where}, file")
    heading = tuple(
        _written(compile_expression(line, columns.FILES, f"{where}, heading {number}", read.maps), f"{where}, heading")
        for number, line in enumerate(read.heading, start=1)
    )
    return LoadedFormat(name, text, read, cells, file, heading)


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


def _known_columns(read: Format) -> dict[str, Column]:
    """The columns of the format's table, and every axis that it names: which there are depends on the company."""
    known = dict(read.columns)
    if read.of == "lines":
        named = " ".join(f"{field.source or ''} {field.expression or ''}" for field in read.field)
        known |= {axis: columns.axis_column() for axis in re.findall(r"\baxis_[a-z][a-z0-9_]*", named)}
    return known


def _cell(read: Format, field: FieldFormat, known: dict[str, Column], place: str) -> Cell:
    """Compiles a field. Raises: FormatError naming it."""
    if field.source == columns.EVERY_AXIS:
        if read.kind == "fixed" or read.of != "lines":
            raise FormatError("which axes there are depends on the company: name one", where=place)
        return Cell(field.name, field, Typed(Type.TEXT, pl.lit("")), place)
    typed = _origin(read, field, known, place)
    if field.map is not None:
        typed = _mapped(read, field, typed, place)
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
        typed = amount_text(typed, scale, how.point, plus=how.plus, minus=how.minus, blank_zero=how.blank_zero)
    if read.kind != "xlsx":
        typed = _written(typed, place)
    elif typed.digits is not None:
        typed = replace(typed, columns=typed.columns | {typed.digits})
    if field.required:
        empty = trimmed(text_of(typed)) == ""
        typed = replace(typed, checks=(*typed.checks, Check(empty, pl.lit(""), "is empty, and the format wants it")))
    return Cell(field.name, field, typed, place)


def _origin(read: Format, field: FieldFormat, known: dict[str, Column], place: str) -> Typed:
    if field.source is not None:
        if field.source not in known:
            raise FormatError(f"there is no column {field.source}", where=place, mend=_MORE)
        return column_value(field.source, known[field.source])
    if field.expression is not None:
        return compile_expression(field.expression, known, place, read.maps)
    return Typed(Type.TEXT, pl.lit(field.value), field.value)


def _mapped(read: Format, field: FieldFormat, typed: Typed, place: str) -> Typed:
    _demand(typed, Type.TEXT, "map", place)
    table = read.maps.get(field.map) if isinstance(field.map, str) else field.map
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
