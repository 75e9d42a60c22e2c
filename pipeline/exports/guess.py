"""What the cells of a sample file are: for each the column that it is of, and how its values are written."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pipeline.exports.guess_cells import amounts, as_date, date_forms, hint, is_day_and_month
from schemas.currencies import MINOR_UNITS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from pipeline.exports.guess_cells import Style
    from pipeline.exports.guess_layout import Group, Kind

_ACCOUNT = re.compile(r"[1-7][0-9]{2}[0-9A-Z.]{0,10}\Z")
_LED_BY_ACCOUNT = re.compile(r"[1-7][0-9]{2,12}[ -]+(?=[^\W\d_])")
_OF_A_THIRD_PARTY = re.compile(r"([1-7][0-9]{2})[A-Z][0-9A-Z]*\Z")
_CODE = re.compile(r"(?=.*[A-Z])[A-Z0-9]{2,6}\Z")
_REFERENCE = re.compile(r"(?=.*[0-9])[\w./-]{4,40}\Z")
_KNOWN_JOURNALS = frozenset(
    [
        "AC",
        "ACH",
        "AN",
        "BNQ",
        "BQ",
        "BAN",
        "CA",
        "CAI",
        "GJ",
        "HA",
        "JRN",
        "ND",
        "NDF",
        "NF",
        "OD",
        "ODS",
        "PAY",
        "VE",
        "VT",
        "VTE",
    ]
)
#: debit first
SIDES = (("D", "C"), ("S", "H"), ("40", "50"), ("1", "-1"), ("0", "1"), ("1", "2"), ("DEBIT", "CREDIT"), ("DR", "CR"))
_ZERO_FILLED = 8
_SHOWN = 2
#: columns of which a name alone is enough, whatever stands there, and what else a text may be
_TEXTS = (
    "auxiliary",
    "auxiliary_label",
    "account_label",
    "journal_label",
    "employee_name",
    "section_1",
    "vat_code",
    "lettering",
    "document",
    "label",
)
_NUMBERS = frozenset({"entry_number", "line_in_file", "line_in_entry", "fiscal_year"})
_DATES = ("entry_date", "document_date", "due_on", "validated_on", "lettered_on")
_PAYABLE = "4"


@dataclass
class Guess:
    """A field. column: the one that it is mapped to. keys: of the format file, in their order. note: what else it may be.

    is_sure: whether it is mapped or constant; else a person has to say what stands here.
    """

    name: str
    column: str = ""
    keys: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    examples: list[str] = field(default_factory=list)
    is_sure: bool = True


class Columns:
    """The columns of one kind of line, and what each is."""

    def __init__(self, kind: Kind, group: Group, *, is_line: bool = True) -> None:
        self._kind, self._group = kind, group
        self._is_text = kind not in ("xlsx", "parquet")
        self.width = group.width
        self._cells = [[row[at].strip() if at < len(row) else "" for row in group.rows] for at in range(self.width)]
        self._filled = [[cell for cell in cells if cell] for cells in self._cells]
        names = [*group.names, *[""] * self.width][: self.width]
        self._hints = [hint(name) for name in names]
        self._names = [name or f"field {at + 1}" for at, name in enumerate(names)]
        self._guesses: dict[int, Guess] = {}
        self._days: dict[int, list[str]] = {}
        self._amounts: dict[int, tuple[list[Decimal], Style]] = {}
        #: debit less credit of each line
        self._net: list[Decimal] | None = None
        self._heads: frozenset[int] | None = None
        self.shape = "lines"
        if group.tag and self.width and self._distinct(0) == {group.tag}:
            self._guesses[0] = Guess(self._names[0], "", {"value": group.tag}, "says of which kind the line is")
        self._find_dates()
        if is_line:
            self._find_account()
            self._find_amounts()
        self._find_texts()
        self._find_rest()

    @property
    def columns(self) -> frozenset[str]:
        """The columns that something is mapped to."""
        return frozenset(guess.column for guess in self._guesses.values())

    def guesses(self) -> list[Guess]:
        """The fields in their order."""
        made = [self._guesses[at] for at in range(self.width)]
        for at, guess in enumerate(made):
            guess.examples = list(dict.fromkeys(self._filled[at]))[:_SHOWN]
        return made

    # ------------------------------------------------------------------------------------------------------- helpers

    def _open(self) -> list[int]:
        return [at for at in range(self.width) if at not in self._guesses and self._filled[at]]

    def _is_full(self, at: int) -> bool:
        return len(self._filled[at]) == len(self._cells[at])

    def _distinct(self, at: int) -> set[str]:
        return set(self._filled[at])

    def _set(self, at: int, column: str, note: str = "", **keys: Any) -> None:
        made = {**({} if keys.keys() & {"expression", "value"} else {"from": column}), **keys}
        if column in _NUMBERS and self._kind == "json" and at not in self._group.typed:
            made["quoted"] = True
        self._guesses[at] = Guess(self._names[at], column, made, note)

    def _at(self, column: str) -> int | None:
        return next((at for at, guess in sorted(self._guesses.items()) if guess.column == column), None)

    def _accounts(self) -> list[str]:
        at = self._at("account")
        return [""] * len(self._group.rows) if at is None else self._cells[at]

    def _only_on_payables(self, at: int) -> bool:
        """Whether a cell is filled on some lines of class 4 and on no others."""
        pairs = list(zip(self._cells[at], self._accounts(), strict=True))
        filled = [account for cell, account in pairs if cell]
        return bool(filled) and len(filled) < len(pairs) and all(account.startswith(_PAYABLE) for account in filled)

    # --------------------------------------------------------------------------------------------------------- dates

    def _find_dates(self) -> None:
        refused = {"account", "auxiliary", "debit", "credit", "amount", "side_amount", "entry_number", "line_number"}
        forms = {at: date_forms(self._filled[at]) for at in self._open() if self._hints[at] not in refused}
        forms = {at: found for at, found in forms.items() if found}
        chosen = self._forms(forms)
        for at in self._open():
            if self._hints[at] in _DATES and at not in chosen and is_day_and_month(self._filled[at]):
                forms[at], chosen[at] = ["%d%m"], "%d%m"
        for at, form in chosen.items():
            if form == "%d%m":
                self._days[at] = [cell and f"????-{cell[2:]}-{cell[:2]}" for cell in self._cells[at]]
                continue
            self._days[at] = [cell and as_date(cell, form).isoformat() for cell in self._cells[at]]  # type: ignore[union-attr]
        taken: set[str] = set()
        full = [at for at in chosen if self._is_full(at)]
        if not full and chosen:
            # What is said of an entry stands on the first of its lines alone.
            heads = frozenset(row for row, cell in enumerate(self._cells[min(chosen)]) if cell)
            self._heads = heads if 0 in heads and len(self._group.rows) > 1 else None
            full = [at for at in chosen if self._is_of_heads(at)]
        named = {self._hints[at]: at for at in reversed(full)}
        first = named.get("entry_date", min(full or chosen, default=None))
        for at in sorted(chosen, key=lambda at: (at != first, at)):
            column = self._hints[at] if self._hints[at] in _DATES and self._hints[at] not in taken else ""
            if at == first:
                column = "entry_date"
            elif not column or column == "entry_date":
                same = first is not None and all(
                    not day or day == other for day, other in zip(self._days[at], self._days[first], strict=True)
                )
                column = "document_date" if at in full or (same and not self._is_sparse(at)) else "due_on"
            taken.add(column)
            others = [form for form in forms[at] if form != chosen[at]]
            note = f"or written {' or '.join(others)}" if others else ""
            also = "document_date" if column == "entry_date" else "document_date or validated_on"
            if column == "document_date":
                also = "due_on or validated_on"
            said = "" if self._hints[at] == column else f"or {also}"
            keys = {} if self._is_typed(at) else {"date": chosen[at]}
            if keys and not self._is_text:
                keys = {"expression": f"date({column}, '{chosen[at]}')"}
            self._set(at, column, "; ".join(part for part in (note, said) if part), **keys)

    def _is_sparse(self, at: int) -> bool:
        return len(self._filled[at]) * 2 <= len(self._cells[at])

    def _is_typed(self, at: int) -> bool:
        return not self._is_text and at in self._group.typed

    def _forms(self, forms: dict[int, list[str]]) -> dict[int, str]:
        """One form for each column: where a day and a month may be either, as in the other columns of the file."""
        sure: list[date] = []
        orders: Counter[str] = Counter()
        for at, found in forms.items():
            if len(found) == 1:
                orders[_order(found[0])] += 1
                sure += [day for cell in self._filled[at] if (day := as_date(cell, found[0])) is not None]
        chosen = {}
        for at, found in forms.items():

            def fit(form: str, at: int = at) -> tuple[int, int]:
                days = [day for cell in self._filled[at] if (day := as_date(cell, form)) is not None]
                near = max(abs((day - sure[0]).days) for day in days) if sure else (max(days) - min(days)).days
                return (-orders[_order(form)] if "%Y" in form else 0), near // 366

            chosen[at] = min(found, key=fit)
        return chosen

    def _is_of_heads(self, at: int) -> bool:
        return self._heads is not None and self._heads == {row for row, cell in enumerate(self._cells[at]) if cell}

    # ------------------------------------------------------------------------------------------- accounts and amounts

    def _find_account(self) -> None:
        scores = {}
        for at in self._open():
            values = self._filled[at]
            is_led = all(_LED_BY_ACCOUNT.match(value) for value in values)
            is_account = sum(1 for value in values if _ACCOUNT.match(value)) * 5 >= len(values) * 4
            is_named = self._hints[at] == "account"
            classes = {value[0] for value in values}
            several = len(set(values)) > 1 and (is_named or len(classes) > 1 or len(values) > len(set(values)))
            if (is_account or is_led) and (several or is_named) and self._hints[at] in ("account", "", "auxiliary"):
                scores[at] = 4 * is_named + 3 * (len(classes) > 1) + len(values) / len(self._cells[at]) + is_account
            elif is_named and not self._hints.count("account") > 1:
                scores[at] = 1
        if not scores:
            return
        best = max(scores, key=lambda at: (scores[at], -at))
        values = self._filled[best]
        alike = {match[1] for value in values if (match := _OF_A_THIRD_PARTY.match(value))}
        if all(_LED_BY_ACCOUNT.match(value) for value in values):
            self._set(best, "account", "", expression=self._led(values))
        elif not any(re.search(r"[0-9]", value) for value in values):
            self._set(best, "account_label", "or account: the profile's [codes.account] translates accounts into names")
        elif len(alike) == 1 and any(value.isdigit() for value in values):
            said = f"if third_party then '{alike.pop()}' & auxiliary else account"
            self._set(best, "account", "or from = posting_account, or account alone", expression=said)
        else:
            self._set(best, "account", "or posting_account, the employee's own account on lines of third parties")
        for at in self._open():
            self._find_other_account(at, best)

    def _led(self, values: list[str]) -> str:
        """An account with its label behind it, or with the section where accounts differ and what follows does not."""
        parts = [re.match(r"([0-9]+)([ -]+)(.*)", value, re.DOTALL) for value in values]
        marks = {part[2] for part in parts if part}
        rests = {part[3] for part in parts if part}
        mark = marks.pop() if len(marks) == 1 else " "
        is_section = len(rests) == 1 < len({part[1] for part in parts if part})
        return f"account & '{mark}' & {'section_1' if is_section else 'account_label'}"

    def _find_other_account(self, at: int, first: int) -> None:
        cells, accounts = self._cells[at], self._cells[first]
        differ = [row for row, cell in enumerate(cells) if cell != accounts[row]]
        if differ and len(differ) < len(cells) and all(cells[row] and not accounts[row] for row in differ):
            self._set(at, "posting_account", "the account but on lines of third parties")
            self._set(
                first, "account", "not on lines of third parties", expression="if third_party then '' else account"
            )
            return
        if not differ:
            self._set(at, "account", "the same as the account on every line of the sample")
        elif all(cells[row] and accounts[row].startswith(_PAYABLE) for row in differ) and len(differ) < len(cells):
            self._set(at, "posting_account", "the account but on lines of third parties")
        elif self._only_on_payables(at) and all(not cell or cell == accounts[row] for row, cell in enumerate(cells)):
            self._set(
                at, "account", "the account on lines of third parties", expression="if third_party then account else ''"
            )

    def _find_amounts(self) -> None:
        for at in self._open():
            found = amounts(self._cells[at])
            if found is not None:
                self._amounts[at] = found
        likely = [at for at in self._amounts if self._may_be_amount(at)]
        signs = self._find_side(likely)
        pair = None if signs else self._pair(likely)
        live = [at for at in likely if any(self._amounts[at][0])]
        if pair is None and signs:
            pair = self._pair(likely)
        if pair is not None:
            debit, credit = pair
            self._set_amount(debit, "debit")
            self._set_amount(credit, "credit")
            self._net = [a - b for a, b in zip(self._amounts[debit][0], self._amounts[credit][0], strict=True)]
            magnitude = [abs(net) for net in self._net]
            for at in live:
                if at not in pair and [abs(value) for value in self._amounts[at][0]] == magnitude:
                    self._set_amount(at, "side_amount")
            return
        if not live:
            return
        named = ("side_amount", "amount", "debit", "credit")
        at = min(live, key=lambda at: (self._hints[at] not in named, not self._balances(at, signs), at))
        values = self._amounts[at][0]
        if signs:
            self._set_amount(at, "side_amount")
            self._net = [value * sign for value, sign in zip(values, signs, strict=True)]
            self._find_pairs(at, is_balanced=sum(self._net) == 0)
        elif any(value < 0 for value in values):
            charges = sum(value for value, account in zip(values, self._accounts(), strict=True) if account[:1] == "6")
            if charges < 0:
                self._set_amount(at, "amount", expression="minus(amount)")
            else:
                self._set_amount(at, "amount")
            self._net = values
        else:
            self._set_amount(
                at, "side_amount", "no side was found: amount has a sign, debit and credit are columns of their own"
            )
            self._find_pairs(at, is_balanced=False)

    def _may_be_amount(self, at: int) -> bool:
        values, style = self._amounts[at]
        is_named = self._hints[at] in ("debit", "credit", "amount", "side_amount")
        texts = self._filled[at]
        is_filled_up = len(set(map(len, texts))) == 1 and len(texts[0].lstrip("+-")) >= _ZERO_FILLED
        zeros = (
            is_filled_up and all(text.lstrip("+-")[:2] == "00" for text in texts) and ("+" in texts[0] or style.point)
        )
        cents = is_filled_up and all(text.lstrip("+-").startswith("00") for text in texts) and len(set(values)) > 1
        return (
            bool(style.point)
            or is_named
            or bool(zeros)
            or cents
            or (at in self._group.typed and self._kind == "json" and is_named)
        )

    def _balances(self, at: int, signs: list[int] | None) -> bool:
        values = self._amounts[at][0]
        return sum(value * sign for value, sign in zip(values, signs or [1] * len(values), strict=True)) == 0

    def _pair(self, likely: list[int]) -> tuple[int, int] | None:
        """A column of debits and one of credits: at most one of them is filled on a line."""
        named = {self._hints[at]: at for at in reversed(likely) if self._hints[at] in ("debit", "credit")}
        if len(named) > 1:
            return named["debit"], named["credit"]
        found = []
        for one in likely:
            for other in (at for at in likely if at > one):
                a, b = self._amounts[one][0], self._amounts[other][0]
                if any(a) and any(b) and all(not (x and y) for x, y in zip(a, b, strict=True)):
                    found.append((sum(a) != sum(b), other - one, one, other))
        if not found or (min(found)[0] and len(self._group.rows) > 1 and min(found)[1] > 1):
            return None
        _, _, one, other = min(found)
        charged = [row for row, account in enumerate(self._accounts()) if account[:1] == "6"]
        if sum(self._amounts[other][0][row] - self._amounts[one][0][row] for row in charged) > 0:
            one, other = other, one
        return one, other

    def _find_side(self, likely: list[int]) -> list[int] | None:
        """The column that says the side: of each line 1 for a debit, -1 for a credit."""
        for at in sorted(self._open(), key=lambda at: (self._hints[at] != "side", at)):
            values = {cell.upper() for cell in self._filled[at]}
            is_named = self._hints[at] == "side"
            if at in likely and not is_named:
                continue
            for debit, credit in SIDES:
                if not values or not values <= {debit, credit} or (len(values) == 1 and not is_named):
                    continue
                if not self._is_full(at):
                    continue
                signs = [1 if cell.upper() == debit else -1 for cell in self._cells[at]]
                balanced = any(any(self._amounts[a][0]) and self._balances(a, signs) for a in likely)
                if not (debit[0] in "DS" or is_named or (balanced and len(values) > 1)):
                    continue
                if debit in ("0", "1") and self._charged(signs) < 0:
                    debit, credit = credit, debit  # noqa: PLW2901 - which number is which, charges tell
                    signs = [-sign for sign in signs]
                shown = {c.upper(): c for c in self._filled[at]}
                table = {"D": shown.get(debit, debit), "C": shown.get(credit, credit)}
                self._set(at, "side", "", **({} if table == {"D": "D", "C": "C"} else {"map": table}))
                return signs
        return None

    def _charged(self, signs: list[int]) -> int:
        return sum(sign for sign, account in zip(signs, self._accounts(), strict=True) if account[:1] == "6")

    def _find_pairs(self, amount: int, *, is_balanced: bool) -> None:
        """Whether a line has an account and the one on the other side of it."""
        first = self._at("account")
        others = [
            at
            for at in self._open()
            if self._is_full(at)
            and (self._hints[at] == "contra_account" or self._at("side") is None)
            and all(re.match(r"[0-9]{3,13}\Z", cell) for cell in self._filled[at])
            and at not in self._days
            and (self._hints[at] == "contra_account" or all(_ACCOUNT.match(cell) for cell in self._filled[at]))
        ]
        if is_balanced or first is None or not others:
            return
        self.shape = "pairs"
        other = others[0]
        if self._at("side") is not None:
            self._set(other, "contra_account")
            return
        debit, credit = min(first, other), max(first, other)
        if sum(cell[:1] == "6" for cell in self._cells[credit]) > sum(cell[:1] == "6" for cell in self._cells[debit]):
            debit, credit = credit, debit
        self._set(debit, "account", "the debited account", expression="if side = 'D' then account else contra_account")
        self._set(
            credit,
            "contra_account",
            "the credited account",
            expression="if side = 'D' then contra_account else account",
        )
        self._guesses[amount].note = "each line has a debited and a credited account"

    def _set_amount(self, at: int, column: str, note: str = "", **keys: Any) -> None:
        _, style = self._amounts[at]
        is_blank = any(not cell for cell in self._cells[at])
        if not self._is_text:
            if is_blank and not keys:
                keys = {"expression": f"nonzero({column})"}
            self._set(at, column, note, **keys)
            return
        scale: int | str = style.scale
        if not style.point:
            is_cents = self._kind == "fixed" or any(text.lstrip("+-").startswith("00") for text in self._filled[at])
            scale = 2 if is_cents else "currency"
            note = note or ("whole cents" if is_cents else "whole numbers in the sample: cents, or decimals left out?")
        elif style.varies:
            note = note or "the sample has amounts of fewer decimals"
        point = style.point or ("" if scale == 2 else ".")  # noqa: PLR2004 - cents
        how = {"scale": scale, "point": point, "thousands": style.thousands, "plus": style.plus}
        how |= {"sign": style.sign if style.sign != "before" else "", "blank_zero": is_blank}
        kept = {key: value for key, value in how.items() if value or key in ("scale", "point")}
        if self._kind == "json" and at not in self._group.typed:
            keys["quoted"] = True
        if self._kind == "json":
            kept = {**kept, "point": kept["point"] or "."}
        self._set(at, column, note, **keys, decimal=kept)

    # --------------------------------------------------------------------------------------------------------- texts

    def _find_texts(self) -> None:
        for at in self._open():
            if self._distinct(at) <= MINOR_UNITS.keys():
                self._set(at, "currency")
        self._find_parts()
        self._find_journal()
        self._find_numbers()
        for at in self._open():
            if at in self._amounts and any(self._amounts[at][0]) and self._amounts[at][1].point:
                continue
            column = self._hints[at]
            values = self._filled[at]
            if self._only_on_payables(at) and column in ("", "kind", "auxiliary", "account", "label", "employee_name"):
                self._set_on_payables(at)
            elif column in ("employee_name", "auxiliary_label") and not self._is_full(at):
                self._set(at, "auxiliary_label", "or employee_name, on every line")
            elif column in _TEXTS and any(re.search(r"[^\W_]", value) for value in values):
                is_beside = at - 1 in self._guesses and self._guesses[at - 1].column == "account"
                if column == "label" and is_beside and self._is_of_accounts(at) and self._hints.count("label") > 1:
                    self._set(at, "account_label", "or label")
                elif column != "document" or self._may_be_document(at):
                    self._set(at, column, "")
        self._find_document()
        self._find_label()

    def _set_on_payables(self, at: int) -> None:
        """A text that stands on lines of third parties alone: their code, their name, or the same for all of them."""
        values = self._filled[at]
        rivals = [
            other
            for other in self._open()
            if other != at and self._only_on_payables(other) and re.search(r"[0-9]", self._filled[other][0])
        ]
        is_word = len(set(values)) == 1 and not re.search(r"[0-9]", values[0])
        if is_word and " " not in values[0] and (rivals or self._hints[at] == "kind"):
            self._guesses[at] = Guess(
                self._names[at],
                "third_party",
                {"expression": f"if third_party then '{values[0].replace(chr(39), chr(39) * 2)}' else ''"},
                "the same on all lines of third parties",
            )
        else:
            column = "auxiliary" if all(" " not in value for value in values) else "auxiliary_label"
            self._set(at, column, "filled on lines of third parties alone")

    def _may_be_document(self, at: int) -> bool:
        """Whether a cell that is called a document is one, and not the number of the entry beside a longer reference."""
        is_number = all(re.match(r"[0-9]{1,4}\Z", value) for value in self._filled[at])
        return not (is_number and any(self._is_reference(other) for other in self._open() if other != at))

    def _is_reference(self, at: int) -> bool:
        values = self._filled[at]
        return (
            all(_REFERENCE.match(value) for value in values)
            and any(re.search(r"[^0-9.,+-]", value) for value in values)
            and at not in self._amounts
            and (self._is_full(at) or self._is_of_heads(at))
            and len(self._distinct(at)) <= max(1, len(values) * 2 // 3)
        )

    def _find_parts(self) -> None:
        """Cells that are the year, the month or the day of the entry."""
        day = self._at("entry_date")
        if day is None or len(self._group.rows) == 0:
            return
        days = self._days[day]
        for at in self._open():
            cells = self._cells[at]
            if not self._is_full(at) or not all(days) or (at in self._amounts and self._amounts[at][1].point):
                continue
            if all(cell == said[:4] for cell, said in zip(cells, days, strict=True)):
                self._set(at, "fiscal_year", "the year of the entry; or date(entry_date, '%Y')")
            elif all(cell == said[5:7] for cell, said in zip(cells, days, strict=True)):
                self._set(at, "entry_date", "the month of the entry", expression="date(entry_date, '%m')")
            elif all(cell == said[8:] for cell, said in zip(cells, days, strict=True)):
                self._set(at, "entry_date", "the day of the entry", expression="date(entry_date, '%d')")

    def _find_journal(self) -> None:
        def is_one(at: int) -> bool:
            return all(re.match(r"\S{1,8}\Z", value) for value in self._filled[at])

        named = [
            at
            for at in self._open()
            if self._hints[at] == "journal_code" and any(re.search(r"[^\W\d_]", value) for value in self._filled[at])
        ]
        codes = [
            at
            for at in self._open()
            if not self._hints[at]
            and all(_CODE.match(value) for value in self._filled[at])
            and (self._is_full(at) or self._is_of_heads(at))
            and len(self._distinct(at)) <= max(3, len(self._filled[at]) // 3)
        ]
        codes.sort(
            key=lambda at: (
                not self._distinct(at) <= _KNOWN_JOURNALS,
                any(map(str.isdigit, "".join(self._distinct(at)))),
                at,
            )
        )
        if named:
            self._set(named[0], "journal_code" if is_one(named[0]) else "journal_label")
        elif codes and (not self._group.names or self._distinct(codes[0]) <= _KNOWN_JOURNALS):
            self._set(codes[0], "journal_code", "codes are translated by the profile's [codes.journal_code]")

    def _find_numbers(self) -> None:
        whole = [at for at in self._open() if all(re.match(r"[0-9]{1,9}\Z", cell) for cell in self._filled[at])]
        for at in whole:
            numbers = [int(cell) for cell in self._cells[at] if cell]
            steps = {after - before for before, after in itertools.pairwise(numbers)}
            if not self._is_full(at) or len(numbers) < 2 or numbers[0] > 1:  # noqa: PLR2004 - a counter counts
                continue
            starts = "less({}, 1)" if numbers[0] == 0 else ""
            if steps == {1}:
                note = "counts the lines of the file; or line_in_entry, from 1 in each entry"
                of_entry = self._hints[at] == "line_number" and numbers[0] == 1 and len(numbers) < 4  # noqa: PLR2004
                column = "line_in_entry" if of_entry or starts else "line_in_file"
                self._set(at, column, note, **({"expression": starts.format(column)} if starts else {}))
            elif (
                1 in steps
                and numbers.count(numbers[0]) > 1
                and all(s == 1 or s <= 0 for s in steps)
                and max(numbers) < len(numbers)
                and not self._is_key(at)
            ):
                self._set(
                    at,
                    "line_in_entry",
                    "counts the lines of an entry",
                    **({"expression": starts.format("line_in_entry")} if starts else {}),
                )
        open_ones = [at for at in whole if at not in self._guesses and (self._is_full(at) or self._is_of_heads(at))]
        may_be = ("entry_number", "document", "journal_code")
        named = [at for at in open_ones if self._hints[at] in may_be]
        named.sort(key=lambda at: (may_be.index(self._hints[at]), at))
        named = [at for at in named if self._hints[at] != "document" or not self._may_be_document(at)]
        keys = [at for at in open_ones if self._is_key(at) and not self._hints[at]]
        same = [
            at
            for at in open_ones
            if len(self._distinct(at)) == 1 and int(self._filled[at][0]) > 1 and not self._hints[at]
        ]
        same.sort(key=lambda at: -int(self._filled[at][0]))
        found = named or keys or ([] if any(self._group.names) else same)
        if found:
            self._set(
                found[0],
                "entry_number",
                "" if named or keys else "the only number of the sample that may be the entry's",
            )

    def _is_key(self, at: int) -> bool:
        """Whether lines with the same cell balance, and there are several such entries."""
        if self._net is None or len(self._distinct(at)) < 2:  # noqa: PLR2004 - several
            return False
        sums: dict[str, Decimal] = {}
        for cell, net in zip(self._cells[at], self._net, strict=True):
            sums[cell] = sums.get(cell, Decimal(0)) + net
        return not any(sums.values())

    def _find_document(self) -> None:
        first = self._at("document")
        found = [at for at in self._open() if self._is_reference(at)]
        if first is None and found:
            first = max(found, key=lambda at: (min(map(len, self._filled[at])), -at))
            self._set(first, "document", "or fill('{document}-{version}')")
        for at in found:
            if at not in self._guesses and first is not None and self._cells[at] == self._cells[first]:
                self._set(at, "document", "the same as the document on every line of the sample")

    def _is_of_accounts(self, at: int) -> bool:
        """Whether a text goes with the account, and several accounts have several of them."""
        pairs = {(account, cell) for account, cell in zip(self._accounts(), self._cells[at], strict=True) if cell}
        return len(pairs) > 1 and len({account for account, _ in pairs}) == len({cell for _, cell in pairs}) == len(
            pairs
        )

    def _find_label(self) -> None:
        texts = [at for at in self._open() if all(re.search(r"[^\W\d_]{2}", value) for value in self._filled[at])]
        texts = [at for at in texts if any(" " in value or len(value) > 6 for value in self._filled[at])]  # noqa: PLR2004
        if self._at("label") is None and texts:
            best = max(
                texts,
                key=lambda at: (
                    any(" " in value for value in self._filled[at]),
                    sum(map(len, self._filled[at])) / len(self._cells[at]),
                    -at,
                ),
            )
            self._set(best, "label", "or entry_label, account_label, employee_name")
        label = self._at("label")
        for at in texts:
            if at in self._guesses or label is None:
                continue
            pairs = list(zip(self._cells[at], self._cells[label], strict=True))
            if self._kind == "fixed" and all(cell and text.startswith(cell) for cell, text in pairs):
                self._set(at, "label", "the beginning of the label on every line of the sample")
            elif self._cells[at] == self._cells[label]:
                self._set(at, "label", "the same as the label on every line of the sample")
            elif self._is_of_accounts(at) and self._is_full(at):
                self._set(at, "account_label", "or label")

    # ---------------------------------------------------------------------------------------------------------- rest

    def _find_rest(self) -> None:
        for at in range(self.width):
            if at in self._guesses:
                continue
            values = self._distinct(at)
            column = self._hints[at]
            may_be = f"perhaps {column}" if column not in ("", "kind") else ""
            if not values:
                note = f"empty in the sample; {may_be}" if may_be else "empty in the sample"
                self._guesses[at] = Guess(self._names[at], "", {"value": ""}, note)
            elif len(values) == 1 and self._is_full(at):
                note = (
                    f"the same on every line of the sample; {may_be}"
                    if may_be
                    else "the same on every line of the sample"
                )
                self._guesses[at] = Guess(self._names[at], "", {"value": self._cells[at][0]}, note)
            else:
                shown = " or ".join(repr(value) for value in list(dict.fromkeys(self._filled[at]))[:_SHOWN])
                note = f"what stands here? for example {shown}; {may_be}".removesuffix("; ")
                self._guesses[at] = Guess(self._names[at], "", {"value": ""}, note, is_sure=False)
        self._find_due()
        for at, guess in self._guesses.items():
            if guess.column and self._is_of_heads(at) and len(self._filled[at]) < len(self._cells[at]):
                self._keep_to_heads(guess)

    def _find_due(self) -> None:
        """A date that is another than the entry's on lines of third parties alone is when these are due."""
        first = next((at for at in sorted(self._days) if self._guesses[at].column == "entry_date"), None)
        for at, guess in self._guesses.items():
            if first is None or guess.column != "document_date" or not self._is_full(at) or "date" not in guess.keys:
                continue
            differ = [row for row, day in enumerate(self._days[at]) if day != self._days[first][row]]
            accounts = self._accounts()
            if 0 < len(differ) < len(self._days[at]) and all(accounts[row][:1] == _PAYABLE for row in differ):
                form = guess.keys["date"]
                due, entry = f"date(due_on, '{form}')", f"date(entry_date, '{form}')"
                guess.column, guess.note = "due_on", "the day of the entry where nothing is due"
                guess.keys = {"expression": f"if third_party then default({due}, {entry}) else {entry}"}

    def _keep_to_heads(self, guess: Guess) -> None:
        """Writes a cell on the first line of an entry alone."""
        if "decimal" in guess.keys or "map" in guess.keys or "amount" in guess.column:
            return
        said = guess.keys.pop("expression", None) or guess.column
        guess.keys.pop("from", None)
        if (form := guess.keys.pop("date", None)) is not None or (guess.column in _DATES and said == guess.column):
            said = f"date({said}, '{form or '%Y-%m-%d'}')"
        elif said in _NUMBERS:
            said = f"digits({said})"
        guess.keys = {"expression": f"if line_in_entry = 1 then {said} else ''", **guess.keys}
        guess.note = "; ".join(part for part in ("on the first line of an entry alone", guess.note) if part)


def _order(form: str) -> str:
    return "".join(re.findall(r"%([dmyY])", form)).lower()


def mapped(guesses: Iterable[Guess]) -> int:
    """How many fields are mapped to a column."""
    return sum(1 for guess in guesses if guess.column)
