"""What the file of a format may say: its keys, their types, and which say something in which kind (docs/formats.md).

The models are also the JSON Schema by which an editor completes a format file (`lettrage formats --schema`).
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Kind = Literal["delimited", "fixed", "text", "xml", "json", "xlsx", "parquet", "pain.001"]
Per = Literal["file", "journal", "entry", "line", "section", "account"]
#: kinds that are written line by line
TEXTS = frozenset({"delimited", "fixed", "text", "xml", "json"})
#: what the record with the names of the fields is called
NAMES = "names"
Character = Annotated[str, Field(min_length=1, max_length=1)]
Encoding = Literal["utf-8", "utf-8-sig", "utf-16", "cp1252", "iso8859-1", "iso8859-15", "ascii", "cp850", "mac_roman"]
_AT = re.compile(r"([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?\Z")
_SETTING = re.compile(r"[a-z][a-z0-9_]*\Z")
_SHEET = re.compile(r"[^\[\]:*?/\\]{0,31}\Z")

#: the keys that say something in some kinds only
_KEYS_OF: dict[str, frozenset[str]] = {
    "separator": frozenset({"delimited"}),
    "names": frozenset({"delimited", "xlsx"}),
    "quote": frozenset({"delimited"}),
    "formula": frozenset({"delimited"}),
    "encoding": TEXTS,
    "unknown_characters": TEXTS,
    "newline": TEXTS,
    "heading": TEXTS,
    "replace": TEXTS | {"xlsx"},
    "template": frozenset({"xlsx"}),
    "totals_sheet": frozenset({"xlsx"}),
    "first_row": frozenset({"xlsx"}),
    "pack": TEXTS,
    "max_lines": TEXTS,
    "max_entries": TEXTS,
}
_FIELD_KEYS_OF: dict[str, frozenset[str]] = {
    "at": frozenset({"fixed"}),
    "length": frozenset({"delimited", "text", "xml", "json", "xlsx"}),
    "align": frozenset({"fixed", "delimited"}),
    "pad": frozenset({"fixed", "delimited"}),
    "width": frozenset({"xlsx"}),
    "number_format": frozenset({"xlsx"}),
    "column": frozenset({"xlsx"}),
    "attributes": frozenset({"xml"}),
    "bare": frozenset({"json", "delimited"}),
}


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Decimals(_Keys):
    """How an amount is written."""

    scale: Annotated[int, Field(ge=0, le=4)] | Literal["currency"] = Field(
        default="currency", description="decimals, or `currency` for those of the amount's currency"
    )
    point: Annotated[str, Field(max_length=1)] = Field(
        default=".", description="decimal mark; empty for a whole number of the last decimal"
    )
    thousands: Annotated[str, Field(max_length=1)] = Field(default="", description="what stands between thousands")
    plus: Annotated[str, Field(max_length=1)] = Field(default="", description="sign of an amount that is not below 0")
    minus: Annotated[str, Field(max_length=1)] = Field(default="-", description="sign of an amount below 0")
    sign: Literal["before", "after"] = Field(default="before", description="where the sign stands")
    blank_zero: bool = Field(default=False, description="nothing for an amount of 0")

    @model_validator(mode="after")
    def _marks_differ(self) -> Decimals:
        if self.thousands and (self.thousands == self.point or not self.point):
            message = "thousands wants a decimal mark, and another one"
            raise ValueError(message)
        return self


class FieldFormat(_Keys):
    """A field of a record: what it is, and how it looks."""

    name: Annotated[str, Field(min_length=1)] = Field(description="its name; on top of the file where names stand")
    source: Annotated[str | None, Field(alias="from", description="the column that it is")] = None
    value: str | None = Field(default=None, description="a constant text")
    expression: str | None = Field(default=None, description="an expression over the columns")
    wanted: Annotated[
        bool, Field(alias="if", description="false: there is no such field; a setting, as $due_dates")
    ] = True
    map: dict[str, str] | str | None = Field(default=None, description="a table, or the name of one of `maps`")
    unmapped: Literal["error", "keep", "empty"] = Field(default="error", description="a text that the map lacks")
    date: str | None = Field(default=None, description="how a date is written: %Y %y %m %d %j")
    decimal: Decimals | None = Field(default=None, description="how an amount is written")
    required: bool = Field(default=False, description="an empty value is an error that names the entry")
    at: str | None = Field(default=None, description='fixed: "from-to", the first position being 1, both in the field')
    length: Annotated[int | None, Field(gt=0, le=32_767)] = Field(
        default=None, description="the most characters that it may have"
    )
    align: Literal["left", "right"] = Field(default="left", description="where a value stands in its width")
    pad: Character = Field(default=" ", description="what fills it up")
    overflow: Literal["error", "cut", "cut_left"] = Field(
        default="error", description="a value that is too long: an error, its beginning, its end"
    )
    quoted: bool | None = Field(default=None, description="delimited: whether quotes stand around it, whatever it is")
    width: Annotated[int | None, Field(gt=0, le=255)] = Field(default=None, description="xlsx: of the column")
    number_format: str | None = Field(default=None, description="xlsx: of its cells")
    column: Annotated[str | None, Field(pattern="^[A-Z]{1,3}$")] = Field(
        default=None, description="xlsx: the column where it stands, as B; else the next one"
    )
    attributes: dict[str, str] = Field(default={}, description="xml: constant attributes of its element")
    bare: bool = Field(default=False, description="json: its text is written as it is, a number or true")
    reads: str | None = Field(
        default=None, description="the column that `lettrage verify` reads from it, where from does not say so"
    )

    @field_validator("at")
    @classmethod
    def _positions(cls, at: str | None) -> str | None:
        if at is not None and not _AT.match(at):
            message = f'{at!r} are no positions: write "from-to", the first being 1'
            raise ValueError(message)
        return at

    @model_validator(mode="after")
    def _one_origin(self) -> FieldFormat:
        origins = {"from": self.source, "value": self.value, "expression": self.expression}
        given = [name for name, what in origins.items() if what is not None]
        if len(given) != 1:
            message = f"write one of from, value and expression, not {' and '.join(given) or 'none'}"
            raise ValueError(message)
        return self

    @property
    def span(self) -> tuple[int, int]:
        """First and last position, both in the field."""
        first, last = _AT.match(self.at or "1").groups()  # type: ignore[union-attr]  # the validator has matched it
        return int(first), int(last or first)

    @property
    def size(self) -> int | None:
        """The most characters that it may have."""
        if self.at is not None:
            first, last = self.span
            return last - first + 1
        return self.length

    @property
    def is_filled(self) -> bool:
        """Whether it is always filled up to its size."""
        return self.at is not None or bool(self.model_fields_set & {"align", "pad"})


class Record(_Keys):
    """A kind of line of the file: how often it comes, and its fields, its constant cells, or its text."""

    name: str = Field(default="", description="what messages call it")
    per: Per = Field(default="line", description="comes once for each of these")
    place: Literal["start", "end"] = Field(
        default="start", description="per file, journal or entry: before its lines, or after them"
    )
    when: str | None = Field(default=None, description="a condition: the rows that it is written for")
    row: list[str] | None = Field(default=None, description="constant cells")
    text: str | None = Field(default=None, description="an expression that is the whole line")
    field: list[FieldFormat] = Field(default=[], description="its fields")
    before: str = Field(default="", description="xml, json: an expression that stands before the record")
    after: str = Field(default="", description="xml, json: an expression that stands after it")
    element: str = Field(default="", description="xml: the element around its fields")
    into: str = Field(default="", description="which of `files` it stands in")
    sheet: str = Field(default="", description="xlsx: the sheet that it stands on")
    first_row: Annotated[int | None, Field(gt=0, le=1_048_576)] = Field(
        default=None,
        description="xlsx: the row of a template's sheet from which it is filled, where the format's differs",
    )

    @field_validator("field")
    @classmethod
    def _wanted(cls, fields: list[FieldFormat]) -> list[FieldFormat]:
        return [field for field in fields if field.wanted]

    @model_validator(mode="after")
    def _one_content(self) -> Record:
        given = [
            name
            for name, there in (
                ("row", self.row is not None),
                ("text", self.text is not None),
                ("field", bool(self.field)),
            )
            if there
        ]
        if len(given) != 1:
            message = f"write one of field, row and text, not {' and '.join(given) or 'none'}"
            raise ValueError(message)
        if self.place == "end" and self.per not in ("file", "journal", "entry"):
            message = f'place = "end" is for a record per file, journal or entry, not per {self.per}'
            raise ValueError(message)
        return self


class Setting(_Keys):
    """A point that companies or sources differ on: `$name` stands for it in values and expressions."""

    default: str | int | bool | None = Field(default=None, description="its value; without one a profile has to say it")
    meaning: str = Field(description="what it is, for who writes a profile")
    choices: list[str | int] = Field(default=[], description="the values that it may have")
    unsure: bool = Field(default=False, description="whether the sources infer it or differ on it")

    @property
    def type(self) -> type:
        """What its values are."""
        return str if self.default is None else type(self.default)


class Merge(_Keys):
    """What is gathered before it is written; debits and credits are never netted, so that their totals stay."""

    charges: Literal["none", "account", "sections"] = Field(
        default="none", description="charge lines of an entry: by account, or by account and sections"
    )
    vat: Literal["none", "account", "code"] = Field(
        default="none", description="VAT lines of an entry: by account, or by account and code"
    )
    counterparts: Literal["none", "account"] = Field(
        default="none", description="the other lines of an entry: by account and auxiliary"
    )
    entries: Literal["entry", "document", "employee_month", "journal_month"] = Field(
        default="entry", description="one entry per entry, document, employee and month, or journal code and month"
    )

    @property
    def is_identity(self) -> bool:
        """Whether no lines are gathered."""
        return {self.charges, self.vat, self.counterparts} == {"none"}


class Rounding(_Keys):
    """Amounts in whole units, tenths or hundredths, every entry still balanced by the largest remainder."""

    decimals: Annotated[int, Field(ge=0, le=2)] = Field(description="decimals that are left")
    mode: Literal["round", "truncate"] = Field(default="round", description="half away from zero, or towards zero")


class Manual(_Keys):
    """What a person has to know who imports a file of the format (Markdown; docs/formats/ is made of it)."""

    expects: str = Field(description="what the accounting package expects to find")
    steps: str = Field(description="how a file is imported, step by step")
    adapt: str = Field(description="what a company adapts: labels, codes, accounts, settings")


class Format(_Keys):
    """A native import format."""

    title: str = Field(description="what it is")
    source: str = Field(description="where its layout is from")
    package: str = Field(default="", description="the accounting packages that read it")
    confidence: Literal["high", "medium", "low", "ours"] = Field(
        default="ours", description="how sure the layout is: the official text or two sources, one source, inferred"
    )
    unsure: str = Field(default="", description="what the sources leave open")
    manual: Manual | None = Field(default=None, description="its documentation: expects, steps, adapt")
    kind: Kind = Field(description="how it is written")
    of: Literal["lines", "payments"] = Field(default="lines", description="entry lines, or the payments of an order")
    file: str = Field(description="name of the file, an expression")
    files: dict[str, str] = Field(default={}, description="names of further files, expressions, for the records' into")
    pack: Literal["zip", "gzip"] | None = Field(default=None, description="the files are packed into `file`")
    entries: Literal["new", "all"] = Field(default="new", description="what no earlier export took, or all")
    shape: Literal["lines", "pairs"] = Field(
        default="lines", description="pairs: rows of an amount, a debited and a credited account (contra_*)"
    )
    merge: Merge = Field(default=Merge(), description="what is gathered, where the profile does not say")
    rounding: Rounding | None = Field(default=None, description="amounts are rounded, entries stay balanced")
    split_by: Literal["fiscal_year", "month", "journal_code"] | None = Field(
        default=None, description="a file for each"
    )
    max_lines: Annotated[int | None, Field(gt=0)] = Field(default=None, description="the most lines of a file")
    max_entries: Annotated[int | None, Field(gt=0)] = Field(default=None, description="the most entries of a file")
    max_entry_lines: Annotated[int | None, Field(gt=0)] = Field(
        default=None, description="the most lines of an entry: an error that names it where there are more"
    )
    order: list[str] = Field(
        default=["entry_date", "journal_code", "fiscal_year", "entry_number", "line_number"],
        description="columns that the lines are sorted by",
    )
    needs_siren: bool = Field(default=False, description="only for legal entities with a SIREN")
    negative: Literal["allowed", "never"] = Field(
        default="allowed", description="never: a profile with nominal_side is refused"
    )
    encoding: Encoding = Field(default="utf-8", description="how characters become bytes")
    unknown_characters: Literal["error", "fold", "replace"] = Field(
        default="error", description="a character that the encoding lacks"
    )
    newline: Literal["\n", "\r\n", "\r"] = Field(default="\r\n", description="the end of a record")
    heading: list[str] = Field(default=[], description="lines at the top, expressions over the columns of the file")
    names: bool | None = Field(default=None, description="whether the names of the fields stand on top")
    separator: Annotated[str, Field(min_length=1, max_length=2)] = Field(
        default=",", description="what stands between two fields"
    )
    quote: Literal["where_needed", "always", "never", "texts"] = Field(
        default="where_needed", description="which fields stand in quotes; texts: all but numbers and dates"
    )
    formula: Literal["escape", "keep", "error"] = Field(
        default="keep", description="a text that a spreadsheet would take for a formula"
    )
    replace: dict[Character, str] = Field(default={}, description="characters in texts and what stands in their place")
    template: str | None = Field(default=None, description="xlsx: the workbook that is filled, a path")
    first_row: Annotated[int, Field(gt=0, le=1_048_576)] = Field(
        default=2, description="xlsx: the row from which the sheets of a template are filled"
    )
    totals_sheet: bool = Field(default=True, description="xlsx: whether a sheet Totals is added")
    settings: dict[str, Setting] = Field(default={}, description="what a profile may set, by name")
    maps: dict[str, dict[str, str]] = Field(default={}, description="tables for map and lookup()")
    field: list[FieldFormat] = Field(default=[], description="the fields of a line, where there are no records")
    record: list[Record] = Field(default=[], description="the kinds of lines, in their order")

    @field_validator("separator")
    @classmethod
    def _separates(cls, separator: str) -> str:
        if separator == "\r\n":
            return separator
        if len(separator) > 1 or separator.isalnum() or separator in "\"'-.\r":
            message = f"{separator!r} cannot stand between two fields"
            raise ValueError(message)
        return separator

    @field_validator("field")
    @classmethod
    def _wanted(cls, fields: list[FieldFormat]) -> list[FieldFormat]:
        return [field for field in fields if field.wanted]

    @field_validator("settings")
    @classmethod
    def _settings_are_names(cls, settings: dict[str, Setting]) -> dict[str, Setting]:
        for name, setting in settings.items():
            if not _SETTING.match(name):
                message = f"{name!r} is no name of a setting: small letters, digits and _"
                raise ValueError(message)
            if setting.choices and setting.default is not None and setting.default not in setting.choices:
                message = f"{name}: its default is none of its choices"
                raise ValueError(message)
        return settings

    @model_validator(mode="after")
    def _keys_are_of_the_kind(self) -> Format:
        for key, kinds in _KEYS_OF.items():
            if key in self.model_fields_set and self.kind not in kinds:
                message = f"{key} says nothing in a format of kind {self.kind}"
                raise ValueError(message)
        if self.field and self.record:
            message = "write the fields in the records, or fields alone"
            raise ValueError(message)
        if self.kind == "pain.001" and (self.field or self.record or self.of != "payments"):
            message = 'pain.001 has no fields of its own, and is of = "payments"'
            raise ValueError(message)
        if self.kind != "pain.001" and not self.field and not self.record:
            message = "a format has at least one [[field]]"
            raise ValueError(message)
        if self.kind == "parquet" and self.record:
            message = "a Parquet file has one kind of row: write fields alone"
            raise ValueError(message)
        if self.kind == "fixed" and self.encoding.startswith("utf"):
            message = "a fixed record counts bytes: choose an encoding of one byte a character, as cp1252"
            raise ValueError(message)
        if self.of == "payments" and (self.record or self.shape != "lines" or self.rounding is not None):
            message = "payments are written as they are: write fields alone"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _records_are_of_the_kind(self) -> Format:
        for number, record in enumerate(self.records, start=1):
            place = f"record {number} ({record.name or record.per}): " if self.record else ""
            _check_record(self, record, place)
        return self

    @property
    def records(self) -> list[Record]:
        """The records as they are written: heading, names and fields of a format that has no records of its own."""
        made = [Record(name="heading", per="file", text=line) for line in self.heading]
        written = self.record or ([Record(name="line", field=self.field)] if self.field else [])
        if self.has_names and self.kind in ("delimited", "xlsx"):
            first = next((record for record in written if record.per == "line" and record.field), None)
            if first is not None:
                row = [field.name for field in first.field]
                names = Record(name=NAMES, per="file", row=row, into=first.into, sheet=first.sheet)
                at = written.index(first)
                return [*made, *written[:at], names, *written[at:]]
        return made + written

    @property
    def has_names(self) -> bool:
        """Whether the names of the fields stand on top.

        Unless it says so, where there are no records, and no template that has them.
        """
        return not self.record and self.template is None if self.names is None else self.names


def _check_record(form: Format, record: Record, place: str) -> None:
    """Holds a record to the kind of its format. Raises: ValueError saying what is wrong."""
    if record.row is not None and form.kind not in ("delimited", "xlsx"):
        message = f"{place}row says nothing in a format of kind {form.kind}"
        raise ValueError(message)
    if form.kind == "text" and record.text is None:
        message = f"{place}a record of kind text is one text"
        raise ValueError(message)
    if record.into and record.into not in form.files:
        message = f"{place}there is no {record.into} in files"
        raise ValueError(message)
    if record.first_row and form.kind != "xlsx":
        message = f"{place}first_row says nothing in a format of kind {form.kind}"
        raise ValueError(message)
    if form.pack == "zip" and not record.into:
        message = f"{place}what is in a zip goes into one of files: write into"
        raise ValueError(message)
    if record.sheet and form.kind != "xlsx":
        message = f"{place}sheet says nothing in a format of kind {form.kind}"
        raise ValueError(message)
    if not _SHEET.match(record.sheet):
        message = f"{place}no sheet can be called {record.sheet!r}: at most 31 characters, none of [ ] : * ? / \\"
        raise ValueError(message)
    if record.sheet.lower() == "totals" and form.totals_sheet:
        message = f"{place}the totals stand on that sheet: write totals_sheet = false"
        raise ValueError(message)
    _check_fields(form, record, place)


def _check_fields(form: Format, record: Record, place: str) -> None:
    expected = 1
    unfit = [field.name for field in record.field if set(field.name) & {form.separator, "\r", "\n"}]
    if form.kind == "delimited" and form.has_names and form.quote == "never" and unfit:
        message = f"the name {unfit[0]!r} has the separator or a line break in it, and nothing is quoted"
        raise ValueError(message)
    for number, field in enumerate(record.field, start=1):
        here = f"{place}field {number} ({field.name})"
        for key, kinds in _FIELD_KEYS_OF.items():
            if key in field.model_fields_set and form.kind not in kinds:
                message = f"{here}: {key} says nothing in a format of kind {form.kind}"
                raise ValueError(message)
        if field.is_filled and field.size is None:
            message = f"{here}: align and pad want a length"
            raise ValueError(message)
        if form.kind in ("xlsx", "parquet") and (field.decimal is not None or field.date is not None):
            what = "decimal" if field.decimal is not None else "date"
            message = f"{here}: {what} says nothing in a format of kind {form.kind}"
            raise ValueError(message)
        if form.kind != "fixed":
            continue
        if field.at is None:
            message = f'{here} has no positions: write at = "from-to"'
            raise ValueError(message)
        first, last = field.span
        if first != expected or last < first:
            message = f"{here} is at {field.at}; the record goes on at {expected}, and each field to its end"
            raise ValueError(message)
        expected = last + 1
