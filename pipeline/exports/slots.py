"""What a record of a file says of a line: which of its fields are accounts, amounts, dates and sides.

A slot is such a field with the way back from its text: the description of the format read the other way round. Texts of
keys (accounts, journals, documents) are what the description makes of them, and are compared as such; amounts, dates,
sides and numbers become values again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import polars as pl
from lark import Token, Tree

from pipeline.exports import columns
from pipeline.exports.description import Decimals
from pipeline.exports.expressions import AMOUNT, BRACES, Type, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.exports.description import Format
    from pipeline.exports.format import Cell, LoadedFormat, LoadedRecord

_DECIMALS = 4
#: the keys of a line, whose texts are compared; a label stands for an account that is told by nothing else
_LABEL = "account_label"
_TEXTS = (
    _LABEL,
    "account",
    "auxiliary",
    "posting_account",
    "journal_code",
    "document",
    "currency",
    *(f"{columns.CONTRA}{name}" for name in ("account", "auxiliary", "posting_account")),
    "axis",
    "section",
)
_ACCOUNTS = frozenset({"account", "auxiliary", "posting_account"})
#: what an account may be written with
_WITH_ACCOUNTS = _ACCOUNTS | {_LABEL, "auxiliary_label", "legal_entity"}
_DATES = ("entry_date", "document_date")
_SECTION_AMOUNTS = ("section_amount", "section_debit", "section_credit")
_AMOUNTS = ("debit", "credit", "amount", "side_amount", "charge_vat", *_SECTION_AMOUNTS)
_NUMBERS = ("entry_number", "fiscal_year", "entry_in_file")
SIDE = "side"
#: what stands on the first line of an entry alone, where the description says so, is that of its other lines too
OF_ENTRIES = frozenset({*_DATES, *_NUMBERS, "journal_code", "document"})
_KINDS: dict[str, Type] = {
    **dict.fromkeys(_TEXTS, Type.TEXT),
    **dict.fromkeys(_DATES, Type.DATE),
    **dict.fromkeys(_AMOUNTS, Type.AMOUNT),
    **dict.fromkeys(_NUMBERS, Type.NUMBER),
    SIDE: Type.BOOLEAN,
}
_DAY_PARTS = {"Y": r"([0-9]{4})", "y": r"([0-9]{2})", "m": r"([0-9]{2})", "d": r"([0-9]{2})", "j": r"([0-9]{3})"}


@dataclass(frozen=True)
class Slot:
    """A field that says something of a line.

    cell: its number among the fields of the record, or among the groups of its pattern. how: the description of an
    amount; factor: -1 where it is written with the other sign; is_size: whether it is written without its sign.
    date: how a date is written. sides: the side that a text stands for. once: stands on the first line of an entry.
    pad: what fills it up, in front of it or (align left) behind it. is_column: whether it is the column on every line.
    """

    name: str
    type: Type
    cell: int
    how: Decimals | None = None
    factor: int = 1
    is_size: bool = False
    date: str = "%Y-%m-%d"
    sides: Mapping[str, str] | None = None
    once: bool = False
    pad: str = " "
    align: str = "left"
    is_column: bool = False

    def typed(self, text: pl.Expr, digits: int) -> pl.Expr:
        """The value of a text, null where it is none. digits: the decimals of the currency of the books."""
        if self.pad != " " and (self.type == Type.TEXT or not self.pad.isdigit()):
            text = text.str.strip_chars_end(self.pad) if self.align == "left" else text.str.strip_chars_start(self.pad)
        if self.type == Type.AMOUNT:
            return self._amount(text, digits)
        if self.type == Type.DATE:
            return day_of(text, self.date)
        if self.type == Type.NUMBER:
            return text.str.strip_chars(" ").cast(pl.Int64, strict=False)
        if self.type == Type.BOOLEAN:
            sides = self.sides or {}
            return text.str.strip_chars(" ").replace_strict(
                list(sides), list(sides.values()), default=None, return_dtype=pl.String
            )
        return plain(text)

    def _amount(self, text: pl.Expr, digits: int) -> pl.Expr:
        bare = text.str.strip_chars(" ")
        how = self.how
        if how is None:  # a number of a typed file
            is_number = bare.str.contains(r"^-?[0-9]+(\.[0-9]{1,4})?$")
            number = pl.when(is_number).then(bare).cast(pl.Decimal(38, _DECIMALS), strict=False) * self.factor
            return pl.when(bare == "").then(pl.lit("0").cast(AMOUNT)).otherwise(number.cast(AMOUNT, strict=False))
        if how.thousands:
            bare = bare.str.replace_all(how.thousands, "", literal=True)
        is_below = pl.lit(value=False)
        for mark in (how.minus, how.plus):
            if mark:
                begins, ends = bare.str.starts_with(mark), bare.str.ends_with(mark)
                has_mark = begins if how.sign == "before" else ends
                is_below = is_below | has_mark if mark == how.minus else is_below
                cut = bare.str.strip_prefix(mark) if how.sign == "before" else bare.str.strip_suffix(mark)
                bare = pl.when(has_mark).then(cut).otherwise(bare)
        scale = digits if how.scale == "currency" else how.scale
        if how.point:
            decimals = "" if scale == 0 else rf"{re.escape(how.point)}[0-9]{{{scale}}}"
            units = bare.str.replace(how.point, "", literal=True)
        else:
            decimals, units = "", bare
        is_number = bare.str.contains(rf"^[0-9]+{decimals}$")
        whole = pl.when(is_number).then(units).cast(pl.Int128, strict=False) * 10 ** (_DECIMALS - scale)
        value = (whole * pl.when(is_below).then(-1).otherwise(1) * self.factor).cast(pl.Decimal(38, 0))
        one = pl.lit("0.0001").cast(pl.Decimal(38, _DECIMALS))
        amount = (value * one).cast(AMOUNT, strict=False)
        return pl.when(bare == "").then(pl.lit("0").cast(AMOUNT)).otherwise(amount)

    def is_lacking(self, text: pl.Expr, digits: int) -> pl.Expr:
        """Whether a text is there, and is no value."""
        return (text.str.strip_chars(" ") != "") & self.typed(text, digits).is_null()


def plain(text: pl.Expr) -> pl.Expr:
    """A text whose blanks, line breaks included, are one blank each, and none at its ends."""
    return text.str.replace_all(r"[\s\p{Cc}]+", " ").str.strip_chars(" ")


def day_of(text: pl.Expr, form: str) -> pl.Expr:
    """The day that a text says; of 20yy where it says two digits, of year 4 where it says none."""
    bare = text.str.strip_chars(" ")
    parts = re.findall(r"%([Yymdj])", form)
    pieces = re.split(r"(%[Yymdj%])", form)
    pattern = "".join(_DAY_PARTS[p[1]] if re.match(r"%[Yymdj]", p) else _escaped(p.replace("%%", "%")) for p in pieces)
    groups = {part: bare.str.extract(f"^{pattern}$", number) for number, part in enumerate(parts, start=1)}
    numbers = {part: group.cast(pl.Int32, strict=False) for part, group in groups.items()}
    year = numbers.get("Y", numbers["y"] + 2000 if "y" in numbers else pl.lit(NO_YEAR, pl.Int32))
    if "j" in numbers:
        first = pl.concat_str(year.cast(pl.String).str.zfill(4), pl.lit("-01-01")).str.to_date("%Y-%m-%d", strict=False)
        day = first.dt.offset_by(pl.concat_str((numbers["j"] - 1).cast(pl.String), pl.lit("d")))
        return pl.when((numbers["j"] >= 1) & (day.dt.year() == year)).then(day)
    written = pl.concat_str(
        year.cast(pl.String).str.zfill(4), numbers["m"].cast(pl.String), numbers["d"].cast(pl.String), separator="-"
    )
    return written.str.to_date("%Y-%m-%d", strict=False)


#: the year of a day whose text has none: one that has a 29 February
NO_YEAR = 4


def is_a_day(form: str) -> bool:
    """Whether a way to write dates says the day, and not its month alone."""
    parts = set(re.findall(r"%([Yymdj])", form))
    return {"m", "d"} <= parts or ("j" in parts and bool(parts & {"Y", "y"}))


def has_year(form: str) -> bool:
    """Whether it says the year."""
    return bool(re.search("%[Yy]", form))


# ------------------------------------------------------------------------------------------------ slots of cells


@dataclass(frozen=True)
class Reading:
    """How a record is read: its slots, and the texts that it always has, by number of the field.

    pattern: of a record that is one text, its groups are what slots and constants count. comes: false where settings
    leave the record out. is_constant: whether nothing in it varies.
    """

    slots: tuple[Slot, ...]
    constants: Mapping[int, str]
    pattern: str | None = None
    comes: bool = True
    is_constant: bool = False

    @property
    def names(self) -> frozenset[str]:
        """The columns that it says."""
        return frozenset(slot.name for slot in self.slots)


def readings(loaded: LoadedFormat, settings: Mapping[str, Any]) -> list[Reading]:
    """How each record of a format is read. settings: the values that its profile gives."""
    form = loaded.format
    values = {name: settings.get(name, setting.default) for name, setting in form.settings.items()}
    made_of = []
    for made in loaded.records:
        holds = None if made.record.when is None else _holds(parsed(made.record.when), values)
        made_of.append(replace(_reading(form, made, values), comes=holds is not False))
    return made_of


def _reading(form: Format, made: LoadedRecord, settings: Mapping[str, Any]) -> Reading:
    if made.record.row is not None:
        return Reading((), dict(enumerate(made.record.row)), is_constant=True)
    if made.record.text is not None:
        pattern = _Pattern(settings, dict(form.replace))
        made_of = pattern.of(settled(parsed(made.record.text), settings))
        return Reading(tuple(pattern.slots), {}, f"^{made_of}$")
    slots: dict[str, Slot] = {}
    constants: dict[int, str] = {}
    for number, cell in enumerate(made.cells):
        constant = _constant(cell, settings)
        if constant is not None:
            constants[number] = constant
            continue
        slot = _slot(form, cell, number, settings)
        if slot is not None and cell.field.is_filled:
            slot = replace(slot, pad=cell.field.pad, align=cell.field.align)
        # A column that stands in several fields is read from the first one that says it by itself.
        if slot is not None and slot.name not in slots:
            slots[slot.name] = slot
    if slots.keys() & _ACCOUNTS:
        slots.pop(_LABEL, None)
    return Reading(tuple(slots.values()), constants)


def _constant(cell: Cell, settings: Mapping[str, Any]) -> str | None:
    """The text that a field always has."""
    if cell.field.source == columns.EVERY_AXIS:
        return None
    if cell.typed.columns:
        tree = _tree(cell, settings)
        said = None if tree is None or cell.field.map is not None else _value(tree, settings)
        return None if said is None else str(said)
    return str(pl.select(cell.typed.value).item() or "")


def _slot(form: Format, cell: Cell, number: int, settings: Mapping[str, Any]) -> Slot | None:
    """What a field says of a line; nothing where that cannot be told from its text."""
    field = cell.field
    tree = _tree(cell, settings)
    name = field.reads or field.source or _told(tree)
    kind = _KINDS.get(name or "")
    if name is None or kind is None:
        return None
    once = name in OF_ENTRIES and "line_in_entry" in cell.typed.columns
    if name == SIDE:
        return Slot(name, kind, number, sides=_sides(form, cell))
    if kind == Type.TEXT or field.map is not None or (kind == Type.NUMBER and tree is not None):
        return Slot(name, Type.TEXT, number, once=once)
    if kind == Type.AMOUNT:
        return _amount_slot(form, cell, Slot(name, kind, number, once=once), tree, settings)
    if kind == Type.DATE and (form.kind not in ("xlsx", "parquet") or _calls(tree, "date")):
        written = field.date or _day_form(tree, name, settings)
        return None if written is None or not is_a_day(written) else Slot(name, kind, number, date=written, once=once)
    return Slot(name, kind, number, once=once)


def _amount_slot(
    form: Format, cell: Cell, slot: Slot, tree: Tree[Any] | None, settings: Mapping[str, Any]
) -> Slot | None:
    factor, is_size = _signs(tree)
    slot = replace(slot, factor=factor, is_size=is_size, is_column=cell.field.source is not None)
    if form.kind in ("xlsx", "parquet") and not _calls(tree, "amount", "money"):
        return slot
    how = cell.field.decimal or _decimals(tree, settings)
    return None if how is None else replace(slot, how=how, is_size=is_size or not how.minus)


def _sides(form: Format, cell: Cell) -> Mapping[str, str] | None:
    """The side that each text stands for; nothing where that has to be learned, or one stands for both."""
    field = cell.field
    if field.source != SIDE:
        return None
    if field.map is None:
        return {"D": "D", "C": "C"}
    table = form.maps.get(field.map, {}) if isinstance(field.map, str) else field.map
    back = {text: side for side, text in table.items() if side in ("D", "C")}
    return back if len(back) == len(set(table) & {"D", "C"}) else None


# ----------------------------------------------------------------------------------------------- expressions read


def _tree(cell: Cell, settings: Mapping[str, Any]) -> Tree[Any] | None:
    """The expression of a field, as its settings leave it."""
    return None if cell.field.expression is None else settled(parsed(cell.field.expression), settings)


def settled(node: Any, settings: Mapping[str, Any]) -> Any:
    """An expression without the choices that settings make."""
    if not isinstance(node, Tree):
        return node
    if node.data == "choice":
        condition, yes, no = node.children
        holds = _holds(condition, settings)
        if holds is not None:
            return settled(yes if holds else no, settings)
    if node.data == "call" and str(node.children[0]) == "fill":
        template = _value(node.children[1], settings)
        return node if template is None else _filled(str(template))
    return Tree(node.data, [settled(child, settings) for child in node.children])


def _filled(template: str) -> Tree[Any]:
    """A template with columns in braces, as the expression that it stands for."""
    parts: list[Tree[Any]] = []
    end = 0
    for found in BRACES.finditer(template):
        parts.append(_text(template[end : found.start()]))
        column, form, other = found.groups()
        node = Tree("column", [Token("NAME", column)])
        if form is not None:
            node = Tree("call", [Token("NAME", "date"), node, _text(form)])
        if other is not None:
            node = Tree("call", [Token("NAME", "default"), node, _text(other)])
        parts.append(node)
        end = found.end()
    return Tree("joined", [part for part in [*parts, _text(template[end:])] if part.children[0] != "''"])


def _text(text: str) -> Tree[Any]:
    doubled = text.replace("'", "''")
    return Tree("text", [Token("TEXT", f"'{doubled}'")])


def _holds(node: Any, settings: Mapping[str, Any]) -> bool | None:
    """Whether a condition holds, where settings alone tell."""
    if node.data == "setting":
        said = settings.get(str(node.children[0])[1:])
        return said if isinstance(said, bool) else None
    if node.data == "comparison":
        return _compares(str(node.children[1]), *(_value(node.children[place], settings) for place in (0, 2)))
    if node.data not in ("negated", "any", "all"):
        return None
    inside = [_holds(child, settings) for child in node.children]
    if node.data == "negated":
        return None if inside[0] is None else not inside[0]
    decides = node.data == "any"
    return decides if decides in inside else None if None in inside else not decides


def _compares(sign: str, left: Any, right: Any) -> bool | None:
    """How two constants compare."""
    if left is None or right is None or type(left) is not type(right):
        return None
    compared: dict[str, bool] = {
        "=": left == right,
        "<>": left != right,
        "<": left < right,
        ">": left > right,
        "<=": left <= right,
        ">=": left >= right,
    }
    return compared[sign]


def _calls(tree: Tree[Any] | None, *names: str) -> list[Tree[Any]]:
    if tree is None:
        return []
    found = [node for node in tree.iter_subtrees() if node.data == "call" and str(node.children[0]) in names]
    return found[::-1]


def _columns(tree: Tree[Any]) -> set[str]:
    return {str(node.children[0]) for node in tree.iter_subtrees() if node.data == "column"}


def _told(tree: Tree[Any] | None) -> str | None:
    """The column that an expression says, as far as there is one: of what it writes, not of its conditions."""
    if tree is None:
        return None
    leaves = _leaves(tree)
    written = set(leaves)
    dates = {name for call in _calls(tree, "date") for name in _columns(call)}
    amounts = {name for call in _calls(tree, "amount", "money") for name in _columns(call)}
    if dates or amounts:
        only = dates | amounts
        return only.pop() if len(only) == 1 and written <= dates | amounts else None
    if len(written) == 1:
        return written.pop() if written <= set(_TEXTS) | {SIDE, *_NUMBERS} else None
    return _account_told(leaves)


def _account_told(leaves: list[str]) -> str | None:
    """The account that columns together are; of a pair, whose sides may be turned, the one that is named first."""
    bare = {name.removeprefix(columns.CONTRA) for name in leaves}
    others = {name for name in bare if not name.startswith(("section_", columns.AXIS))}
    accounts = [name for name in leaves if name.removeprefix(columns.CONTRA) in _ACCOUNTS]
    if not accounts or not others <= _WITH_ACCOUNTS:
        return None
    prefix = columns.CONTRA if accounts[0].startswith(columns.CONTRA) else ""
    kinds = {name.removeprefix(columns.CONTRA) for name in accounts}
    return prefix + (kinds.pop() if len(kinds) == 1 else "posting_account")


def _leaves(node: Tree[Any] | Token) -> list[str]:
    """The columns of what an expression writes, in its order."""
    if isinstance(node, Token):
        return []
    if node.data == "column":
        return [str(node.children[0])]
    inside = node.children[1:] if node.data == "choice" else node.children
    return [name for child in inside for name in _leaves(child)]


def _value(node: Any, settings: Mapping[str, Any]) -> Any:
    """A constant of an expression."""
    if not isinstance(node, Tree):
        return None
    said = str(node.children[0])
    if node.data == "text":
        return said[1:-1].replace("''", "'")
    if node.data == "setting":
        return settings.get(said[1:])
    return int(said) if node.data == "number" and "." not in said else None


def _day_form(tree: Tree[Any] | None, name: str, settings: Mapping[str, Any]) -> str | None:
    calls = _calls(tree, "date")
    own = [call for call in calls if name in _columns(call)] or calls
    return None if not own else _value(own[0].children[2], settings)


def _decimals(tree: Tree[Any] | None, settings: Mapping[str, Any]) -> Decimals | None:
    for call in _calls(tree, "amount", "money"):
        is_money = str(call.children[0]) == "money"
        scale = "currency" if is_money else _value(call.children[2], settings)
        point = _value(call.children[2 if is_money else 3], settings)
        if scale is not None and isinstance(point, str):
            return Decimals(scale=scale, point=point)
    return None


def _signs(tree: Tree[Any] | None) -> tuple[int, bool]:
    """Whether an amount is written with the other sign, as -1, and whether without one."""
    return -1 if _calls(tree, "minus") else 1, bool(_calls(tree, "abs"))


# ------------------------------------------------------------------------------------- records that are one text


class _Pattern:
    """Makes a regular expression of the expression of a record: constants stand, values are groups."""

    def __init__(self, settings: Mapping[str, Any], replaced: Mapping[str, str]) -> None:
        self._settings = settings
        self._replaced = replaced
        self.slots: list[Slot] = []

    def of(self, node: Tree[Any]) -> str:
        """The pattern of a node."""
        kind = str(node.data)
        if kind in ("text", "setting", "number"):
            constant = _value(node, self._settings)
            return ".*?" if constant is None else _escaped(self._cleaned(str(constant)))
        if kind == "joined":
            return "".join(self.of(child) for child in node.children)
        if kind == "choice":
            _, yes, no = node.children
            return f"(?:{self.of(yes)}|{self.of(no)})"
        if kind == "call":
            return self._call(node)
        return self._group(node, ".*?")

    def _call(self, node: Tree[Any]) -> str:
        name = str(node.children[0])
        if name == "date":
            form = str(_value(node.children[2], self._settings))
            pieces = [part for part in re.split("(%[Yymdj])", form) if part]
            days = [_DAY_PARTS[part[1]][1:-1] if part[0] == "%" else _escaped(part) for part in pieces]
            return self._group(node, "".join(days), date=form)
        if name in ("amount", "money"):
            how = _decimals(node, self._settings) or Decimals()
            mark = f"(?:{_escaped(how.point)}[0-9]+)?" if how.point else ""
            factor, is_size = _signs(node)
            return self._group(node, f"-?[0-9]+{mark}", how=how, factor=factor, is_size=is_size)
        if name in ("pad", "pad_left"):
            fill = _escaped(str(_value(node.children[3], self._settings)))
            inside = self.of(node.children[1])
            return f"{inside}{fill}*?" if name == "pad" else f"{fill}*?{inside}"
        if name == "digits":
            return self._group(node, "-?[0-9]+")
        return self._group(node, ".*?")

    def _group(self, node: Tree[Any], pattern: str, **how: Any) -> str:
        name = _told(node) if node.data != "column" else str(node.children[0])
        kind = _KINDS.get(name or "")
        if name is None or kind is None or (name == SIDE and node.data != "column"):
            return f"(?:{pattern})"
        if kind == Type.NUMBER and not {str(node.data), str(node.children[0])} & {"column", "digits"}:
            kind = Type.TEXT
        if name == SIDE:
            pattern, how = "[DC]", {"sides": {"D": "D", "C": "C"}}
        if kind == Type.DATE and not is_a_day(how.get("date", "")):
            return f"(?:{pattern})"
        self.slots.append(Slot(name, kind, len(self.slots), **how))
        return f"(?P<g{len(self.slots) - 1}>{pattern})"

    def _cleaned(self, text: str) -> str:
        for old, new in self._replaced.items():
            text = text.replace(old, new)
        return text


@cache
def _escaped(text: str) -> str:
    return str(pl.escape_regex(text))
