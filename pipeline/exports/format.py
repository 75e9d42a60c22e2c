"""Export formats: one TOML file each, the accounting package's manual field by field.

A format is checked whole when it is loaded: unknown keys, unknown columns, wrong types, positions that do not tile the
record. An error names the file and the field.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import FormatError
from pipeline.exports import expressions
from pipeline.exports.expressions import Typed, compile_expression

FORMATS = Path(__file__).parent / "formats"

#: the columns that an expression may name, with their types; `axis_<axis>` columns are texts besides
LINE_COLUMNS: dict[str, str] = {
    **dict.fromkeys(
        (
            "legal_entity", "journal", "journal_code", "document_kind", "document", "employee", "role", "account",
            "auxiliary", "nominal_side", "currency", "foreign_currency", "expense", "expense_type", "vat_code", "label",
            "lettering", "journal_label", "account_label", "auxiliary_label", "employee_name", "entity_name", "siren",
            "country",
        ),
        expressions.TEXT,
    ),
    **dict.fromkeys(("debit", "credit", "amount", "foreign_amount"), expressions.AMOUNT),
    **dict.fromkeys(("fiscal_year", "entry_number", "line_number", "version", "run", "reverses"), expressions.NUMBER),
    **dict.fromkeys(("entry_date", "document_date", "lettered_on", "validated_on", "exported_on"), expressions.DATE),
    "reversal": expressions.BOOLEAN,
}
#: what a file name may name besides: of the export, not of a line
FILE_COLUMNS: dict[str, str] = {
    **dict.fromkeys(("legal_entity", "entity_name", "siren", "profile", "format", "payment_order"), expressions.TEXT),
    **dict.fromkeys(("first_on", "last_on", "exported_on", "fiscal_year_end"), expressions.DATE),
    "export_number": expressions.NUMBER,
}
#: the columns of the payments of an order, for the formats that write them
PAYMENT_COLUMNS: dict[str, str] = {
    **dict.fromkeys(
        ("payment_order", "legal_entity", "employee", "employee_name", "iban", "bic", "currency", "status", "account",
         "journal_code", "end_to_end_id"), expressions.TEXT
    ),
    "amount": expressions.AMOUNT,
    "entry_number": expressions.NUMBER,
    "entry_date": expressions.DATE,
}


class FieldFormat(BaseModel):
    """A field of a record. value: an expression. at: positions "from-to" of a fixed record, the first being 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    value: str
    at: str | None = None
    align: Literal["left", "right"] = "left"
    pad: Annotated[str, Field(min_length=1, max_length=1)] = " "
    overflow: Literal["error", "cut", "cut_left"] = "error"
    width: Annotated[int, Field(gt=0)] | None = None
    number_format: str | None = None

    @property
    def span(self) -> tuple[int, int]:
        """First and last position, both in the field."""
        first, _, last = (self.at or "").partition("-")
        return int(first), int(last or first)


class Format(BaseModel):
    """A native import format. What each key means stands in docs/formats.md."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    source: str
    kind: Literal["delimited", "fixed", "xlsx", "pain.001"]
    of: Literal["lines", "payments"] = "lines"
    file: str
    entries: Literal["new", "all"] = "new"
    encoding: Literal["utf-8", "utf-8-sig", "cp1252", "iso8859-1", "iso8859-15", "ascii", "cp850"] = "utf-8"
    unknown_characters: Literal["error", "fold"] = "error"
    newline: Literal["\n", "\r\n"] = "\r\n"
    separator: str = ","
    header: bool = True
    quote: Literal["where_needed", "never"] = "where_needed"
    formula: Literal["escape", "keep", "error"] = "keep"
    decimals: Annotated[int, Field(ge=0, le=4)] = 4
    needs_siren: bool = False
    record_header: str | None = None
    order: list[str] = ["entry_date", "journal_code", "fiscal_year", "entry_number", "line_number"]
    field: list[FieldFormat] = []

    @model_validator(mode="after")
    def _fields_are_there(self) -> Format:
        if self.kind != "pain.001" and not self.field:
            message = "a format has at least one [[field]]"
            raise ValueError(message)
        if self.kind == "fixed":
            expected = 1
            for number, field in enumerate(self.field, start=1):
                if field.at is None:
                    message = f"field {number} ({field.name}) has no positions: write at = \"from-to\""
                    raise ValueError(message)
                first, last = field.span
                if first != expected or last < first:
                    message = f"field {number} ({field.name}) is at {field.at}, and the one before ends at {expected - 1}"
                    raise ValueError(message)
                expected = last + 1
        return self

    @property
    def columns(self) -> dict[str, str]:
        """The columns that its fields may name."""
        return PAYMENT_COLUMNS if self.of == "payments" else LINE_COLUMNS


class LoadedFormat(BaseModel):
    """A format with its name, the text it was read from, and its compiled expressions."""

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True)

    name: str
    text: str
    format: Format
    values: list[Typed]
    file: Typed


def load_format(name: str) -> LoadedFormat:
    """Loads a format by the name of a shipped one, or the path of a TOML file.

    Raises: FormatError naming the file, the field and what is wrong.
    """
    path = FORMATS / f"{name}.toml"
    if not path.is_file():
        path = Path(name)
        if path.suffix != ".toml" or not path.is_file():
            raise FormatError(
                f"there is no format {name!r}; there are {', '.join(shipped())}",
                mend="name one of these, or give the path of a .toml file",
            )
    return parse_format(path.stem, path.read_text(encoding="utf-8"), where=path.name)


@cache
def shipped() -> tuple[str, ...]:
    """The names of the formats that come with the program."""
    return tuple(sorted(path.stem for path in FORMATS.glob("*.toml")))


def parse_format(name: str, text: str, *, where: str) -> LoadedFormat:
    """Reads a format's text. Raises: FormatError as load_format does."""
    try:
        read = Format.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise FormatError(f"this is no TOML: {error}", where=f"format {where}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f", {'field ' + str(part + 1) if isinstance(part, int) else part}" for part in first["loc"])
        raise FormatError(first["msg"].removeprefix("Value error, "), where=f"format {where}{place}") from None
    columns = dict(read.columns)
    for field in read.field:
        columns |= {word: expressions.TEXT for word in _axis_words(field.value)}
    values = [
        compile_expression(field.value, columns, f"format {where}, field {number} ({field.name})")
        for number, field in enumerate(read.field, start=1)
    ]
    for column in read.order:
        if column not in columns:
            raise FormatError(f"there is no column {column} to order by", where=f"format {where}, order")
    file = compile_expression(read.file, FILE_COLUMNS, f"format {where}, file")
    return LoadedFormat(name=name, text=text, format=read, values=values, file=file)


def _axis_words(source: str) -> set[str]:
    """The names of axis columns in an expression: which there are depends on the company."""
    words = "".join(letter if letter.isalnum() or letter == "_" else " " for letter in source).split()
    return {word for word in words if word.startswith("axis_")}
