"""The small language in which a format says what goes into a field.

    text        'NDF ' & document & ' ' & upper(employee_name)
    conditions  if debit > 0 then 'D' else 'C'
    functions   date(entry_date, '%d%m%y')   amount(debit, 2, ',')   cents(debit)   left(label, 25)   …

It has columns, texts in quotes, numbers, `&` for concatenation, comparisons, `and`, `or`, `not`, `if … then … else …` and
the functions of FUNCTIONS. It is typed, checked when the format is loaded, and compiled to polars expressions, so that it
reaches neither Python nor SQL nor files and costs the same for a line as a column does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl
from lark import Lark, Transformer, v_args
from lark.exceptions import UnexpectedInput, VisitError

from pipeline.errors import FormatError

TEXT, AMOUNT, NUMBER, DATE, BOOLEAN = "text", "amount", "number", "date", "boolean"

_GRAMMAR = r"""
?start: choice
?choice: "if" any "then" choice "else" choice -> choice
       | any
?any: all ("or" all)* -> any_of
?all: negation ("and" negation)* -> all_of
?negation: "not" negation -> negated
         | comparison
?comparison: joined (COMPARATOR joined)?
?joined: atom ("&" atom)*
?atom: TEXT -> text
     | NUMBER -> number
     | NAME "(" [choice ("," choice)*] ")" -> call
     | NAME -> column
     | "(" choice ")"
COMPARATOR: "=" | "<>" | "<=" | ">=" | "<" | ">"
TEXT: /'([^']|'')*'/
NUMBER: /[0-9]+/
NAME: /(?!(if|then|else|and|or|not)\b)[a-z_][a-z0-9_]*/
%import common.WS
%ignore WS
"""


@dataclass(frozen=True)
class Typed:
    """A compiled expression and what it gives."""

    type: str
    value: pl.Expr
    constant: str | int | None = None


def _text(argument: Typed) -> pl.Expr:
    return pl.coalesce(argument.value.cast(pl.String), pl.lit(""))


def _digits(amount: Typed, decimals: Typed) -> tuple[pl.Expr, pl.Expr]:
    """An amount as whole units of its last decimal, half away from zero, and its sign."""
    places = int(decimals.constant or 0)
    whole = (amount.value.cast(pl.Decimal(38, 4)) * 10_000).cast(pl.Int128)
    unit = 10 ** (4 - places)
    return (2 * whole.abs() + unit) // (2 * unit), whole.sign()


def _amount(amount: Typed, decimals: Typed, point: Typed) -> pl.Expr:
    magnitude, sign = _digits(amount, decimals)
    places = int(decimals.constant or 0)
    whole = (magnitude // 10**places).cast(pl.String)
    fraction = (magnitude % 10**places).cast(pl.String).str.zfill(places)
    text = whole + pl.lit(str(point.constant)) + fraction if places else whole
    return pl.when((sign < 0) & (magnitude > 0)).then(pl.lit("-") + text).otherwise(text)


def _cents(amount: Typed, decimals: Typed) -> pl.Expr:
    magnitude, sign = _digits(amount, decimals)
    text = magnitude.cast(pl.String)
    return pl.when((sign < 0) & (magnitude > 0)).then(pl.lit("-") + text).otherwise(text)


def _money(amount: Typed, point: Typed) -> pl.Expr:
    """An amount with as many decimals as its currency has: exact, so that the four of the ledger are only cut."""
    exact = _amount(amount, Typed(NUMBER, pl.lit(4), 4), point)
    digits = pl.col("currency_digits")
    spare = pl.when(digits == 0).then(5).otherwise(4 - digits)
    return exact.str.slice(0, exact.str.len_chars().cast(pl.Int64) - spare)


#: letters that Unicode does not take apart
_LETTERS = {"œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "€": "EUR",
            "’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", "đ": "d", "Đ": "D", "ı": "i"}


def folded(text: pl.Expr) -> pl.Expr:
    """A text with its accents taken off; what ASCII cannot say at all becomes `?`."""
    return (
        text.str.replace_many(list(_LETTERS), list(_LETTERS.values()))
        .str.normalize("NFKD")
        .str.replace_all(r"\p{M}", "")
        .str.replace_all(r"[^\x00-\x7f]", "?")
    )


@dataclass(frozen=True)
class Function:
    """A function of the language: the types it takes ('constant' = a number or text in the format), and what it gives."""

    takes: tuple[str, ...]
    gives: str
    make: Callable[..., pl.Expr]
    meaning: str


FUNCTIONS: dict[str, Function] = {
    "date": Function((DATE, "constant"), TEXT, lambda day, form: day.value.dt.strftime(str(form.constant)), "the day, written as strftime says"),
    "amount": Function((AMOUNT, "constant", "constant"), TEXT, _amount, "the amount with so many decimals and this decimal mark"),
    "money": Function((AMOUNT, "constant"), TEXT, _money, "the amount with its currency's decimals and this decimal mark"),
    "exact": Function((AMOUNT, "constant"), TEXT, lambda amount, point: _amount(amount, Typed(NUMBER, pl.lit(4), 4), point).str.replace(r"0{1,2}$", ""), "the amount with two decimals, or the three or four that it has, and this decimal mark"),
    "cents": Function((AMOUNT, "constant"), TEXT, _cents, "the amount as a whole number of its last decimal"),
    "upper": Function((TEXT,), TEXT, lambda text: _text(text).str.to_uppercase(), "in capitals"),
    "lower": Function((TEXT,), TEXT, lambda text: _text(text).str.to_lowercase(), "in small letters"),
    "ascii": Function((TEXT,), TEXT, lambda text: folded(_text(text)), "without accents"),
    "trim": Function((TEXT,), TEXT, lambda text: _text(text).str.strip_chars(), "without blanks at its ends"),
    "left": Function((TEXT, "constant"), TEXT, lambda text, n: _text(text).str.head(int(n.constant or 0)), "its first characters"),
    "right": Function((TEXT, "constant"), TEXT, lambda text, n: _text(text).str.tail(int(n.constant or 0)), "its last characters"),
    "mid": Function((TEXT, "constant", "constant"), TEXT, lambda text, start, n: _text(text).str.slice(int(start.constant or 1) - 1, int(n.constant or 0)), "so many characters from a position, the first being 1"),
    "replace": Function((TEXT, "constant", "constant"), TEXT, lambda text, old, new: _text(text).str.replace_all(str(old.constant), str(new.constant), literal=True), "with every old one replaced by the new one"),
    "default": Function((TEXT, TEXT), TEXT, lambda text, other: pl.when(_text(text) == "").then(_text(other)).otherwise(_text(text)), "the text, else the other where it is empty"),
    "abs": Function((AMOUNT,), AMOUNT, lambda amount: amount.value.abs(), "the amount without its sign"),
    "text": Function((NUMBER,), TEXT, _text, "the number in digits"),
    "empty": Function((TEXT,), BOOLEAN, lambda text: _text(text) == "", "whether there is no text"),
}


@v_args(inline=True)
class _Compiler(Transformer[Any, Typed]):
    """Turns the parsed expression into a typed polars expression."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        super().__init__()
        self._columns = columns

    def text(self, token: str) -> Typed:
        constant = str(token)[1:-1].replace("''", "'")
        return Typed(TEXT, pl.lit(constant), constant)

    def number(self, token: str) -> Typed:
        return Typed(NUMBER, pl.lit(int(token)), int(token))

    def column(self, token: str) -> Typed:
        name = str(token)
        if name not in self._columns:
            raise TypeError(f"there is no column {name}")
        return Typed(self._columns[name], pl.col(name))

    def call(self, token: str, *arguments: Typed | None) -> Typed:
        given = [argument for argument in arguments if argument is not None]
        function = FUNCTIONS.get(str(token))
        if function is None:
            raise TypeError(f"there is no function {token}; there are {', '.join(FUNCTIONS)}")
        if len(given) != len(function.takes):
            raise TypeError(f"{token} takes {len(function.takes)} values, not {len(given)}")
        for number, (argument, wanted) in enumerate(zip(given, function.takes, strict=True), start=1):
            if wanted == "constant" and argument.constant is None:
                raise TypeError(f"value {number} of {token} has to be written out, not computed")
            if wanted not in ("constant", argument.type):
                raise TypeError(f"value {number} of {token} is {argument.type}, not {wanted}")
        return Typed(function.gives, function.make(*given))

    def joined(self, *parts: Typed) -> Typed:
        if len(parts) == 1:
            return parts[0]
        for part in parts:
            if part.type not in (TEXT, NUMBER):
                raise TypeError(f"& joins texts; write {part.type}s with date(), amount() or cents()")
        return Typed(TEXT, pl.concat_str([_text(part) for part in parts]))

    def comparison(self, left: Typed, sign: str | None = None, right: Typed | None = None) -> Typed:
        if sign is None or right is None:
            return left
        if left.type != right.type and {left.type, right.type} != {AMOUNT, NUMBER}:
            raise TypeError(f"{left.type} cannot be compared with {right.type}")
        one, other = (left.value, right.value) if left.type != TEXT else (_text(left), _text(right))
        made = {"=": one == other, "<>": one != other, "<": one < other, ">": one > other, "<=": one <= other, ">=": one >= other}
        return Typed(BOOLEAN, made[str(sign)].fill_null(value=False))

    def negated(self, condition: Typed) -> Typed:
        return Typed(BOOLEAN, ~self._condition(condition))

    def any_of(self, *conditions: Typed) -> Typed:
        if len(conditions) == 1:
            return conditions[0]
        return Typed(BOOLEAN, pl.any_horizontal(*map(self._condition, conditions)))

    def all_of(self, *conditions: Typed) -> Typed:
        if len(conditions) == 1:
            return conditions[0]
        return Typed(BOOLEAN, pl.all_horizontal(*map(self._condition, conditions)))

    def choice(self, condition: Typed, yes: Typed, no: Typed) -> Typed:
        if yes.type != no.type:
            raise TypeError(f"then gives {yes.type}, else gives {no.type}")
        return Typed(yes.type, pl.when(self._condition(condition)).then(yes.value).otherwise(no.value))

    @staticmethod
    def _condition(condition: Typed) -> pl.Expr:
        if condition.type != BOOLEAN:
            raise TypeError(f"a condition is wanted, not {condition.type}")
        return condition.value


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr")


def compile_expression(source: str, columns: Mapping[str, str], where: str) -> Typed:
    """Compiles an expression over columns (name → type). Raises: FormatError naming `where` and what is wrong."""
    try:
        return _Compiler(columns).transform(_parser().parse(source))
    except UnexpectedInput as error:
        place = f"at character {error.column}" if error.column and error.column > 0 else "at its end"
        raise FormatError(f"{source!r} cannot be read {place}", where=where, mend="see docs/formats.md") from None
    except VisitError as error:
        raise FormatError(f"{source!r}: {error.orig_exc}", where=where, mend="see docs/formats.md") from None


def as_text(expression: Typed, where: str) -> pl.Expr:
    """The expression for a field of text. Raises: FormatError where it gives something that has to be written first."""
    if expression.type not in (TEXT, NUMBER):
        raise FormatError(
            f"gives {expression.type}, and the field is text", where=where, mend="write it with date(), money(), amount() or cents()"
        )
    return _text(expression)
