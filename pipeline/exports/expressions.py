"""The small language in which a format says what goes into a field.

    texts       'NDF ' & document & ' ' & upper(employee_name)
    conditions  if side = 'D' and not empty(vat_code) then 'D' else 'C'
    functions   date(entry_date, '%d%m%y')   amount(debit, 2, ',')   left(label, 25)   lookup('vat', vat_code, '?')

It knows columns, texts in quotes, numbers, `&` for concatenation, comparisons, `and`, `or`, `not`, `if … then … else …`
and the functions of FUNCTIONS. It is typed, checked when the format is loaded, and compiled to polars expressions, so
that it reaches neither Python nor SQL nor files, and works on columns, not on rows.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from functools import cache, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from pipeline.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SPELLINGS = Path(__file__).parent / "spellings.toml"

_GRAMMAR = r"""
?start: choice
?choice: "if" any "then" choice "else" choice
       | any
?any: all ("or" all)*
?all: negation ("and" negation)*
?negation: "not" negation -> negated
         | comparison
?comparison: joined (COMPARATOR joined)?
?joined: atom ("&" atom)*
?atom: TEXT -> text
     | NUMBER -> number
     | SETTING -> setting
     | NAME "(" (choice ("," choice)*)? ")" -> call
     | NAME -> column
     | "(" choice ")"
COMPARATOR: "<>" | "<=" | ">=" | "=" | "<" | ">"
TEXT: /'([^']|'')*'/
NUMBER: /-?[0-9]{1,14}(\.[0-9]{1,4})?/
SETTING: /\$[a-z][a-z0-9_]*/
NAME: /(?!(if|then|else|and|or|not)\b)[a-z_][a-z0-9_]*/
%import common.WS
%ignore WS
"""
#: decimals of the amounts in tables
_DECIMALS = 4
_WHOLE = 10**_DECIMALS
_LONGEST = 4_000
_SHOWN = 80
_DEEPEST = 60
_HELP = "docs/formats.md has the language and the columns"


class Type(StrEnum):
    """What an expression gives."""

    TEXT = "text"
    AMOUNT = "an amount"
    NUMBER = "a number"
    DATE = "a date"
    BOOLEAN = "a condition"


#: an amount, as the tables have it
AMOUNT = pl.Decimal(18, 4)
#: what a column of each type is to polars
POLARS: dict[Type, pl.DataType] = {
    Type.TEXT: pl.String(),
    Type.AMOUNT: AMOUNT,
    Type.NUMBER: pl.Int64(),
    Type.DATE: pl.Date(),
    Type.BOOLEAN: pl.Boolean(),
}


@dataclass(frozen=True)
class Column:
    """A column that an expression may name. digits: of an amount, the column with its currency's decimals."""

    type: Type
    meaning: str
    digits: str | None = None


@dataclass(frozen=True)
class Check:
    """What must not be in any row: the rows that break it, the value to show, and what is wrong with it."""

    broken: pl.Expr
    value: pl.Expr
    what: str


@dataclass(frozen=True)
class Typed:
    """A compiled expression.

    constant: its value where it is written out. is_figure: a text made of digits, which no spreadsheet takes for a
    formula. columns: what it reads.
    """

    type: Type
    value: pl.Expr
    constant: str | int | Decimal | None = None
    digits: str | None = None
    is_figure: bool = False
    columns: frozenset[str] = frozenset()
    checks: tuple[Check, ...] = ()


def text_of(given: Typed) -> pl.Expr:
    """The expression as a text, empty where it is null."""
    if given.constant is not None:
        return pl.lit(str(given.constant))
    return given.value.cast(pl.String).fill_null("")


def trimmed(text: pl.Expr) -> pl.Expr:
    """A text without what nobody sees at its ends: a control character becomes a blank where a record is written."""
    return text.str.replace_all(r"^[\s\p{Cc}]+|[\s\p{Cc}]+$", "")


# --------------------------------------------------------------------------------------------- amounts and dates

_DAY = re.compile(r"(?:[^%]|%[Yymdj%])*\Z")


def date_text(day: Typed, form: str) -> Typed:
    """A date written as `form` says: %Y %y %m %d %j. Raises: ValueError for what else strftime knows."""
    if not _DAY.match(form):
        message = f"{form!r} is no way to write a date: use %Y, %y, %m, %d, %j and plain characters"
        raise ValueError(message)
    return replace(day, type=Type.TEXT, value=day.value.dt.strftime(form), is_figure=bool(re.match("%[^%]", form)))


def amount_text(
    amount: Typed,
    scale: int | None,
    point: str = ".",
    *,
    plus: str = "",
    minus: str = "-",
    blank_zero: bool = False,
    thousands: str = "",
    sign: str = "before",
) -> Typed:
    """An amount with `scale` decimals, or with its currency's where that is None. Amounts are never rounded.

    point: the decimal mark, empty for a whole number of the last decimal. plus, minus: what stands before it, or after
    it. thousands: what stands between thousands.
    """
    digits = amount.digits or "currency_digits"
    exact = amount.value.cast(AMOUNT)
    columns = amount.columns if scale is not None else amount.columns | {digits}
    unit = pl.lit(10 ** (_DECIMALS - scale), pl.Int64) if scale is not None else _unit(pl.col(digits))
    e4 = exact.to_physical().cast(pl.Int64)
    # An amount's own text has the sign that most want: only others cost more.
    is_plain = (plus, minus, sign) == ("", "-", "before") and not thousands
    given = exact if is_plain else exact.abs()
    if point == "":
        text = ((e4 if is_plain else e4.abs()) // unit).cast(pl.String)
    else:
        text = _decimal_text(given, scale, pl.col(digits))
        if thousands:
            parts = text.str.split_exact(".", 1)
            whole, fraction = parts.struct.field("field_0"), parts.struct.field("field_1")
            grouped = _grouped(whole, thousands)
            text = pl.when(fraction.is_null()).then(grouped).otherwise(grouped + pl.lit(point) + fraction)
        elif point != ".":
            text = text.str.replace(".", point, literal=True)
    if not is_plain:
        below, above = (
            text if not mark else pl.lit(mark) + text if sign == "before" else text + pl.lit(mark)
            for mark in (minus, plus)
        )
        text = pl.when(e4 < 0).then(below).otherwise(above)
    if blank_zero:
        text = pl.when(e4 != 0).then(text)
    places = "its currency" if scale is None else f"the {scale} of the field"
    check = Check((e4 % unit != 0).fill_null(value=False), amount.value, f"has more decimals than {places}")
    return replace(
        amount, type=Type.TEXT, value=text, is_figure=True, columns=columns, checks=(*amount.checks, check), digits=None
    )


def _decimal_text(amount: pl.Expr, scale: int | None, digits: pl.Expr) -> pl.Expr:
    """An amount with a dot and so many decimals, or those of its currency."""
    if scale is not None:
        return amount.cast(pl.Decimal(18, scale)).cast(pl.String)
    text = amount.cast(pl.String)
    without_point = (digits == 0).cast(pl.Int64)
    return text.str.slice(0, text.str.len_bytes().cast(pl.Int64) + digits - _DECIMALS - without_point)


def _grouped(digits: pl.Expr, mark: str) -> pl.Expr:
    """Whole digits with a mark between thousands."""
    if not mark:
        return digits
    # Regular expressions look only forward here: an amount of at most 14 digits is cut into five groups.
    padded = digits.str.zfill(15)
    groups = [padded.str.slice(start, 3) for start in range(0, 15, 3)]
    return pl.concat_str(groups, separator=mark).str.strip_chars_start("0" + mark).replace("", "0")


def _unit(digits: pl.Expr) -> pl.Expr:
    """The smallest unit of a currency, in ten-thousandths."""
    places = range(_DECIMALS + 1)
    return digits.replace_strict(list(places), [10 ** (_DECIMALS - n) for n in places], return_dtype=pl.Int64)


# ------------------------------------------------------------------------------------------------------- letters


@cache
def _spellings() -> tuple[list[str], list[str]]:
    """Letters and signs that Unicode does not take apart, and how they are spelt."""
    alphabets = tomllib.loads(SPELLINGS.read_text(encoding="utf-8"))
    spelt: dict[str, str] = {}
    for name, letters in alphabets.items():
        if name in ("greek", "cyrillic"):
            spelt |= {letter.upper(): plain.capitalize() for letter, plain in letters.items()}
        spelt |= letters
    return list(spelt), list(spelt.values())


def folded(text: pl.Expr, lacking: str = "?") -> pl.Expr:
    """A text in ASCII: accents taken off, ligatures and other alphabets spelt out, `lacking` for what has no spelling.

    Letters of the other alphabets that bear an accent are spelt without it.
    """
    return (
        text.str.normalize("NFKD")
        .str.replace_all(r"\p{M}", "")
        .str.replace_many(*_spellings())
        .str.replace_all(r"[^\x00-\x7f]", lacking.replace("$", "$$"))
    )


# ----------------------------------------------------------------------------------------------------- functions

_TEXT_CONSTANT, _NUMBER_CONSTANT = "a text in quotes", "a number written out"


@dataclass(frozen=True)
class Function:
    """A function of the language: what it takes, how it is compiled, and what it means."""

    takes: tuple[Type | str, ...]
    make: Callable[..., Typed]
    meaning: str


def _texts(given: Typed, value: pl.Expr, *, is_figure: bool = False) -> Typed:
    return Typed(Type.TEXT, value, is_figure=is_figure, columns=given.columns, checks=given.checks)


def _length(number: Typed, least: int = 0) -> int:
    """A length or position written out. Raises: ValueError for one that no field has."""
    value = number.constant
    if not isinstance(value, int) or not least <= value <= _LONGEST:
        message = f"{value} is no whole number from {least} to {_LONGEST}"
        raise ValueError(message)
    return value


def _scale(number: Typed) -> int:
    value = _length(number)
    if value > _DECIMALS:
        message = f"an amount has at most {_DECIMALS} decimals"
        raise ValueError(message)
    return value


def _character(text: Typed) -> str:
    value = str(text.constant)
    if len(value) != 1:
        message = f"{value!r} is not one character"
        raise ValueError(message)
    return value


def _whole(number: Typed) -> int:
    """A whole number written out. Raises: ValueError for what has decimals."""
    if not isinstance(number.constant, int):
        message = f"{number.constant} is no whole number"
        raise ValueError(message)  # noqa: TRY004 - who writes a format is told, not who programs
    return number.constant


def _others(kept: str) -> str:
    """The regular expression of all characters but those listed, where a-z is a range. Raises: ValueError for none."""
    if not kept:
        message = "there are no characters in it"
        raise ValueError(message)
    listed = []
    position = 0
    while position < len(kept):
        first = kept[position]
        if position + 2 < len(kept) and kept[position + 1] == "-":
            last = kept[position + 2]
            if last < first:
                message = f"{first}-{last} is no range"
                raise ValueError(message)
            listed.append(f"\\x{{{ord(first):x}}}-\\x{{{ord(last):x}}}")
            position += 3
        else:
            listed.append(f"\\x{{{ord(first):x}}}")
            position += 1
    return f"[^{''.join(listed)}]"


#: what XML 1.0 cannot hold
_NOT_XML = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x{fffe}\x{ffff}]"


def xml_text(text: pl.Expr) -> pl.Expr:
    """A text as XML writes it in an element or an attribute; a blank for what it cannot hold."""
    return text.str.replace_all(_NOT_XML, " ").str.replace_many(
        ["&", "<", ">", '"', "'"], ["&amp;", "&lt;", "&gt;", "&quot;", "&apos;"]
    )


def json_text(text: pl.Expr) -> pl.Expr:
    """A text as JSON writes it, the quotes around it too (RFC 8259)."""
    controls = [chr(code) for code in range(0x20)] + ["\x7f"]
    spelt = [f"\\u{ord(control):04x}" for control in controls]
    return pl.lit('"') + text.str.replace_many(['"', "\\", *controls], ['\\"', "\\\\", *spelt]) + pl.lit('"')


def _mid(text: Typed, start: Typed, length: Typed) -> Typed:
    return _texts(text, text_of(text).str.slice(_length(start, 1) - 1, _length(length)))


def _default(text: Typed, other: Typed) -> Typed:
    value = pl.when(text_of(text) == "").then(text_of(other)).otherwise(text_of(text))
    both = replace(text, columns=text.columns | other.columns, checks=(*text.checks, *other.checks))
    return _texts(both, value, is_figure=text.is_figure and other.is_figure)


def _only(text: Typed, listed: Typed) -> Typed:
    value = text_of(text)
    broken = value.str.contains(_others(str(listed.constant)))
    check = Check(broken, value, f"has other characters than {listed.constant}")
    return replace(_texts(text, value), checks=(*text.checks, check))


def _around(text: Typed, before: Typed, after: Typed) -> Typed:
    value = text_of(text)
    made = pl.when(value == "").then(pl.lit("")).otherwise(text_of(before) + value + text_of(after))
    given = (text, before, after)
    return Typed(
        Type.TEXT,
        made,
        columns=frozenset().union(*(part.columns for part in given)),
        checks=tuple(check for part in given for check in part.checks),
    )


FUNCTIONS: dict[str, Function] = {
    "date": Function(
        (Type.DATE, _TEXT_CONSTANT),
        lambda day, form: date_text(day, str(form.constant)),
        "the day as the text says: %Y year, %y its last two digits, %m month, %d day, %j day of the year",
    ),
    "amount": Function(
        (Type.AMOUNT, _NUMBER_CONSTANT, _TEXT_CONSTANT),
        lambda amount, scale, point: amount_text(amount, _scale(scale), str(point.constant)),
        "the amount with so many decimals and this decimal mark ('' for a whole number of the last decimal)",
    ),
    "money": Function(
        (Type.AMOUNT, _TEXT_CONSTANT),
        lambda amount, point: amount_text(amount, None, str(point.constant)),
        "the amount with its currency's decimals and this decimal mark",
    ),
    "abs": Function(
        (Type.AMOUNT,), lambda amount: replace(amount, value=amount.value.abs()), "the amount without its sign"
    ),
    "minus": Function(
        (Type.AMOUNT,), lambda amount: replace(amount, value=-amount.value), "the amount with the other sign"
    ),
    "round": Function(
        (Type.AMOUNT, _NUMBER_CONSTANT),
        lambda amount, scale: replace(
            amount,
            value=amount.value.round(_scale(scale), mode="half_away_from_zero").cast(AMOUNT),
        ),
        "the amount rounded to so many decimals, half away from zero",
    ),
    "nonzero": Function(
        (Type.AMOUNT,),
        lambda amount: replace(amount, value=pl.when(amount.value != 0).then(amount.value)),
        "the amount, nothing where it is 0",
    ),
    "digits": Function(
        (Type.NUMBER,), lambda number: _texts(number, text_of(number), is_figure=True), "the number as a text"
    ),
    "upper": Function((Type.TEXT,), lambda text: _texts(text, text_of(text).str.to_uppercase()), "in capitals"),
    "lower": Function((Type.TEXT,), lambda text: _texts(text, text_of(text).str.to_lowercase()), "in small letters"),
    "ascii": Function((Type.TEXT,), lambda text: _texts(text, folded(text_of(text))), "without accents, in ASCII"),
    "trim": Function(
        (Type.TEXT,),
        lambda text: _texts(text, trimmed(text_of(text))),
        "without blanks, line breaks and control characters at its ends",
    ),
    "left": Function(
        (Type.TEXT, _NUMBER_CONSTANT),
        lambda text, length: _texts(text, text_of(text).str.head(_length(length))),
        "its first characters, so many",
    ),
    "right": Function(
        (Type.TEXT, _NUMBER_CONSTANT),
        lambda text, length: _texts(text, text_of(text).str.tail(_length(length))),
        "its last characters, so many",
    ),
    "mid": Function(
        (Type.TEXT, _NUMBER_CONSTANT, _NUMBER_CONSTANT), _mid, "from a position (the first is 1), so many characters"
    ),
    "pad": Function(
        (Type.TEXT, _NUMBER_CONSTANT, _TEXT_CONSTANT),
        lambda text, length, fill: _texts(text, text_of(text).str.pad_end(_length(length), _character(fill))),
        "filled up at its end to so many characters",
    ),
    "pad_left": Function(
        (Type.TEXT, _NUMBER_CONSTANT, _TEXT_CONSTANT),
        lambda text, length, fill: _texts(text, text_of(text).str.pad_start(_length(length), _character(fill))),
        "filled up at its beginning to so many characters",
    ),
    "replace": Function(
        (Type.TEXT, _TEXT_CONSTANT, _TEXT_CONSTANT),
        lambda text, old, new: _texts(
            text, text_of(text).str.replace_all(str(old.constant), str(new.constant), literal=True)
        ),
        "with the second text wherever the first one stands",
    ),
    "keep": Function(
        (Type.TEXT, _TEXT_CONSTANT),
        lambda text, kept: _texts(text, text_of(text).str.replace_all(_others(str(kept.constant)), "")),
        "only those of its characters that the second text lists: a-z is a range, a - at its end is a -",
    ),
    "only": Function(
        (Type.TEXT, _TEXT_CONSTANT),
        _only,
        "as it is, and an error where it has a character that the second text does not list",
    ),
    "swap": Function(
        (Type.TEXT, _TEXT_CONSTANT, _TEXT_CONSTANT),
        lambda text, kept, other: _texts(
            text, text_of(text).str.replace_all(_others(str(kept.constant)), str(other.constant).replace("$", "$$"))
        ),
        "with the third text in place of each character that the second does not list",
    ),
    "capital": Function(
        (Type.TEXT,),
        lambda text: _texts(text, text_of(text).str.head(1).str.to_uppercase() + text_of(text).str.slice(1)),
        "its first letter in capitals",
    ),
    "xml": Function((Type.TEXT,), lambda text: _texts(text, xml_text(text_of(text))), "as XML and HTML write it"),
    "json": Function(
        (Type.TEXT,), lambda text: _texts(text, json_text(text_of(text))), "as JSON writes it, the quotes around it too"
    ),
    "length": Function(
        (Type.TEXT,),
        lambda text: replace(
            text, type=Type.NUMBER, value=text_of(text).str.len_chars().cast(pl.Int64), is_figure=False, constant=None
        ),
        "how many characters it has",
    ),
    "starts": Function(
        (Type.TEXT, _TEXT_CONSTANT),
        lambda text, start: replace(
            text,
            type=Type.BOOLEAN,
            value=text_of(text).str.starts_with(str(start.constant)),
            is_figure=False,
            constant=None,
        ),
        "whether it begins with the second text",
    ),
    "plus": Function(
        (Type.NUMBER, _NUMBER_CONSTANT),
        lambda number, other: replace(number, value=number.value + _whole(other), constant=None),
        "the number and the second one",
    ),
    "less": Function(
        (Type.NUMBER, _NUMBER_CONSTANT),
        lambda number, other: replace(number, value=number.value - _whole(other), constant=None),
        "the number without the second one",
    ),
    "times": Function(
        (Type.NUMBER, _NUMBER_CONSTANT),
        lambda number, other: replace(number, value=number.value * _whole(other), constant=None),
        "so many times the number",
    ),
    "days_after": Function(
        (Type.DATE, _NUMBER_CONSTANT),
        lambda day, days: replace(day, value=day.value.dt.offset_by(f"{_whole(days)}d")),
        "the day so many days later",
    ),
    "month_start": Function(
        (Type.DATE,), lambda day: replace(day, value=day.value.dt.month_start()), "the first day of its month"
    ),
    "month_end": Function(
        (Type.DATE,), lambda day: replace(day, value=day.value.dt.month_end()), "the last day of its month"
    ),
    "default": Function((Type.TEXT, Type.TEXT), _default, "the first text, or the second where that is empty"),
    "around": Function(
        (Type.TEXT, Type.TEXT, Type.TEXT),
        _around,
        "the text with the second one before it and the third one after it; empty where it is empty",
    ),
    "empty": Function(
        (Type.TEXT,),
        lambda text: replace(text, type=Type.BOOLEAN, value=text_of(text) == "", is_figure=False, constant=None),
        "whether the text is empty",
    ),
}
#: compiled apart, since its first value names a table of the format
_LOOKUP = "lookup"
#: compiled apart, since its text names columns
_FILL = "fill"
#: {column}, {column:%Y} for a date, {column|other} for a text that may be empty
BRACES = re.compile(r"\{([^{}:|]*)(?::([^{}|]*))?(?:\|([^{}]*))?\}")
MEANINGS: dict[str, tuple[str, str]] = {
    **{name: (", ".join(function.takes), function.meaning) for name, function in FUNCTIONS.items()},
    _LOOKUP: (
        f"{_TEXT_CONSTANT}, {Type.TEXT}, {Type.TEXT}",
        "what the format's table [maps.<first>] has for the second; the third where it has nothing",
    ),
    _FILL: (
        _TEXT_CONSTANT,
        "the text with the columns in place of their names in braces: {account}, {entry_date:%Y-%m}, {section_1|other}",
    ),
}


# ------------------------------------------------------------------------------------------------------ compiler


class _WrongTypeError(Exception):
    """What is wrong, and at which character."""

    def __init__(self, what: str, node: Tree[Any] | Token) -> None:
        super().__init__(what)
        start = node.start_pos if isinstance(node, Token) else getattr(node.meta, "start_pos", None)
        self.place = "" if start is None else f", character {start + 1}"


@dataclass(frozen=True)
class Names:
    """What an expression may name: columns, tables for lookup(), settings, and columns that are made of others."""

    columns: Mapping[str, Column]
    maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    settings: Mapping[str, str | int | bool] = field(default_factory=dict)
    overrides: Mapping[str, Typed] = field(default_factory=dict)


@dataclass(frozen=True)
class _Compiler:
    """Turns a parsed expression into a typed polars expression, node by node."""

    names: Names

    def compile(self, node: Tree[Any], depth: int = 0) -> Typed:
        if depth > _DEEPEST:
            raise _WrongTypeError("there are too many levels of parentheses and conditions", node)
        made: Typed = getattr(self, f"_{node.data}")(node, depth + 1)
        return made if made.columns or made.constant is not None else _settled(made)

    def _children(self, node: Tree[Any], depth: int) -> list[Typed]:
        return [self.compile(child, depth) for child in node.children if isinstance(child, Tree)]

    def _text(self, node: Tree[Any], _: int) -> Typed:
        return _constant_text(str(node.children[0])[1:-1].replace("''", "'"))

    def _number(self, node: Tree[Any], _: int) -> Typed:
        written = str(node.children[0])
        number = Decimal(written) if "." in written else int(written)
        return Typed(Type.NUMBER, pl.lit(number), number)

    def _column(self, node: Tree[Any], _: int) -> Typed:
        name = str(node.children[0])
        column = self.names.columns.get(name)
        if column is None:
            raise _WrongTypeError(f"there is no column {name}", node)
        return self.names.overrides.get(name) or column_value(name, column)

    def _setting(self, node: Tree[Any], _: int) -> Typed:
        name = str(node.children[0])[1:]
        if name not in self.names.settings:
            known = ", ".join(self.names.settings) or "none"
            raise _WrongTypeError(f"there is no setting {name}; there are {known}", node)
        value = self.names.settings[name]
        if isinstance(value, str):
            return _constant_text(value)
        kind = Type.BOOLEAN if isinstance(value, bool) else Type.NUMBER
        return Typed(kind, pl.lit(value), None if isinstance(value, bool) else value)

    def _call(self, node: Tree[Any], depth: int) -> Typed:
        name, *rest = node.children
        given = [self.compile(child, depth) for child in rest]
        if name == _LOOKUP:
            return self._lookup(node, given)
        if name == _FILL:
            return self._fill(node, given)
        function = FUNCTIONS.get(str(name))
        if function is None:
            raise _WrongTypeError(f"there is no function {name}; there are {', '.join(MEANINGS)}", node)
        if len(given) != len(function.takes):
            raise _WrongTypeError(f"{name} takes {len(function.takes)} values, not {len(given)}", node)
        for child, argument, wanted in zip(rest, given, function.takes, strict=True):
            self._demand(str(name), child, argument, wanted)
        try:
            return function.make(*given)
        except ValueError as error:
            raise _WrongTypeError(f"{name}: {error}", node) from None

    @staticmethod
    def _demand(name: str, node: Tree[Any], argument: Typed, wanted: Type | str) -> None:
        constants = {_TEXT_CONSTANT: Type.TEXT, _NUMBER_CONSTANT: Type.NUMBER}
        if argument.type != constants.get(wanted, wanted) or (wanted in constants and argument.constant is None):
            what = argument.type if argument.constant is None else f"{argument.type}, {argument.constant!r}"
            raise _WrongTypeError(f"{name} wants {wanted} here, not {what}", node)

    def _lookup(self, node: Tree[Any], given: list[Typed]) -> Typed:
        if [argument.type for argument in given] != [Type.TEXT] * 3:
            raise _WrongTypeError("lookup takes the name of a table in quotes and two texts", node)
        table, text, other = given
        if table.constant not in self.names.maps:
            known = ", ".join(self.names.maps) or "none"
            raise _WrongTypeError(f"the format has no table [maps.{table.constant}]; it has {known}", node)
        found = mapped(text_of(text), self.names.maps[str(table.constant)])
        both = replace(text, columns=text.columns | other.columns, checks=(*text.checks, *other.checks))
        return _texts(both, pl.coalesce(found, text_of(other)))

    def _fill(self, node: Tree[Any], given: list[Typed]) -> Typed:
        if len(given) != 1 or not isinstance(given[0].constant, str):
            raise _WrongTypeError(f"{_FILL} takes {_TEXT_CONSTANT}", node)
        text = given[0].constant
        parts, end = [_constant_text("")], 0
        for found in BRACES.finditer(text):
            name, form, other = found.groups()
            column = self.names.columns.get(name)
            if column is None:
                raise _WrongTypeError(f"{_FILL}: there is no column {name}", node)
            filled = self.names.overrides.get(name) or column_value(name, column)
            if (form is not None) != (column.type == Type.DATE) or column.type in (Type.AMOUNT, Type.BOOLEAN):
                raise _WrongTypeError(f"{_FILL}: {name} is {column.type}; dates are written {{{name}:%Y-%m-%d}}", node)
            try:
                filled = filled if form is None else date_text(filled, form)
            except ValueError as error:
                raise _WrongTypeError(f"{_FILL}: {error}", node) from None
            parts += [
                _constant_text(text[end : found.start()]),
                filled if other is None else _default(filled, _constant_text(other)),
            ]
            end = found.end()
        parts.append(_constant_text(text[end:]))
        if any(re.search("[{}]", str(part.constant or "")) for part in parts):
            raise _WrongTypeError(f"{_FILL}: a brace in {text!r} has no fellow", node)
        value = pl.concat_str([text_of(part) for part in parts])
        return replace(_merged(parts), type=Type.TEXT, value=value)

    def _joined(self, node: Tree[Any], depth: int) -> Typed:
        parts = self._children(node, depth)
        for child, part in zip(node.children, parts, strict=True):
            if part.type not in (Type.TEXT, Type.NUMBER):
                raise _WrongTypeError(f"& joins texts; write {part.type} with date(), amount() or money()", child)
        value = pl.concat_str([text_of(part) for part in parts])
        return replace(_merged(parts), type=Type.TEXT, value=value, is_figure=parts[0].is_figure and _leads(parts[0]))

    def _comparison(self, node: Tree[Any], depth: int) -> Typed:
        left, right = self._children(node, depth)
        sign = str(node.children[1])
        if left.type != right.type and {left.type, right.type} != {Type.AMOUNT, Type.NUMBER}:
            raise _WrongTypeError(f"{left.type} cannot be compared with {right.type}", node)
        one, other = (text_of(left), text_of(right)) if left.type == Type.TEXT else (left.value, right.value)
        compared = {
            "=": one.__eq__,
            "<>": one.__ne__,
            "<": one.__lt__,
            ">": one.__gt__,
            "<=": one.__le__,
            ">=": one.__ge__,
        }[sign](other)
        return replace(_merged([left, right]), type=Type.BOOLEAN, value=compared.fill_null(value=False))

    def _negated(self, node: Tree[Any], depth: int) -> Typed:
        (condition,) = self._conditions(node, depth)
        return replace(condition, value=~condition.value)

    def _any(self, node: Tree[Any], depth: int) -> Typed:
        conditions = self._conditions(node, depth)
        return replace(_merged(conditions), value=pl.any_horizontal([condition.value for condition in conditions]))

    def _all(self, node: Tree[Any], depth: int) -> Typed:
        conditions = self._conditions(node, depth)
        return replace(_merged(conditions), value=pl.all_horizontal([condition.value for condition in conditions]))

    def _choice(self, node: Tree[Any], depth: int) -> Typed:
        condition, yes, no = self._children(node, depth)
        self._is_condition(node.children[0], condition)
        if yes.type != no.type:
            raise _WrongTypeError(f"`then` gives {yes.type}, `else` gives {no.type}", node.children[2])
        if yes.type == Type.AMOUNT and yes.digits != no.digits:
            raise _WrongTypeError("the amounts are of two currencies: write money() in both branches", node.children[2])
        checks = (
            *condition.checks,
            *(replace(check, broken=condition.value & check.broken) for check in yes.checks),
            *(replace(check, broken=~condition.value & check.broken) for check in no.checks),
        )
        return replace(
            _merged([condition, yes, no]),
            type=yes.type,
            value=pl.when(condition.value).then(yes.value).otherwise(no.value),
            digits=yes.digits,
            is_figure=yes.is_figure and no.is_figure,
            checks=checks,
        )

    def _conditions(self, node: Tree[Any], depth: int) -> list[Typed]:
        conditions = self._children(node, depth)
        for child, condition in zip(node.children, conditions, strict=True):
            self._is_condition(child, condition)
        return conditions

    @staticmethod
    def _is_condition(node: Tree[Any], condition: Typed) -> None:
        if condition.type != Type.BOOLEAN:
            raise _WrongTypeError(f"a condition is wanted here, not {condition.type}", node)


def _settled(made: Typed) -> Typed:
    """What reads no column, as the one value that it is.

    polars spreads a literal over a large frame in pieces, and what is computed of it has not the frame's length then.
    """
    value = pl.select(made.value).item()
    is_told = made.type in (Type.TEXT, Type.NUMBER) and value is not None
    return replace(made, value=pl.lit(value), constant=value if is_told else None)


def _constant_text(text: str) -> Typed:
    return Typed(Type.TEXT, pl.lit(text), text, is_figure=not text or text[0] not in "=+-@\t\r")


def column_value(name: str, column: Column) -> Typed:
    """The value of a column by itself."""
    value = pl.col(name).fill_null(value=False) if column.type == Type.BOOLEAN else pl.col(name)
    return Typed(
        column.type,
        value,
        digits=column.digits,
        is_figure=column.type in (Type.NUMBER, Type.DATE, Type.AMOUNT),
        columns=frozenset({name}),
    )


def mapped(text: pl.Expr, table: Mapping[str, str]) -> pl.Expr:
    """What a table has for a text, null where it has nothing."""
    return text.replace_strict(list(table), list(table.values()), default=None, return_dtype=pl.String)


def _leads(first: Typed) -> bool:
    """Whether something always stands there, so that what follows cannot come to the front."""
    return bool(first.constant) or first.type == Type.NUMBER


def _merged(parts: list[Typed]) -> Typed:
    return Typed(
        Type.BOOLEAN,
        pl.lit(value=True),
        columns=reduce(frozenset.union, (part.columns for part in parts)),
        checks=tuple(check for part in parts for check in part.checks),
    )


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", propagate_positions=True)


def parsed(source: str) -> Tree[Any]:
    """The parts of an expression that compile_expression has taken."""
    tree: Tree[Any] = _parser().parse(source)
    return tree


def compile_expression(source: str, names: Names, where: str) -> Typed:
    """Compiles an expression.

    Raises: FormatError naming `where`, the character and what is wrong.
    """
    shown = repr(source if len(source) <= _SHOWN else f"{source[:_SHOWN]}…")
    if len(source) > _LONGEST:
        raise FormatError(f"an expression has at most {_LONGEST} characters", where=where)
    try:
        return _Compiler(names).compile(_parser().parse(source))
    except UnexpectedInput as error:
        at = getattr(error, "pos_in_stream", None)
        place = f"character {at + 1}" if at is not None and 0 <= at < len(source.rstrip()) else "its end"
        raise FormatError(f"{shown} cannot be read from {place} on", where=where, mend=_HELP) from None
    except _WrongTypeError as error:
        raise FormatError(f"{error} in {shown}", where=f"{where}{error.place}", mend=_HELP) from None
    except RecursionError:
        raise FormatError(f"{shown} has too many levels of parentheses", where=where) from None
