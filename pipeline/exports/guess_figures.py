"""What the dates, accounts and amounts of a sample are, and on which side a line is."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.exports.guess_cells import amounts, as_date, date_forms, hint, is_day_and_month

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

    from pipeline.exports.guess_cells import Style
    from pipeline.exports.guess_sample import Group, Kind

_ACCOUNT = re.compile(r"[1-7][0-9]{2}[0-9A-Z.]{0,10}\Z")
_LED_BY_ACCOUNT = re.compile(r"[1-7][0-9]{2,12}[ -]+(?=[^\W\d_])")
_OF_A_THIRD_PARTY = re.compile(r"([1-7][0-9]{2})[A-Z][0-9A-Z]*\Z")
#: debit first
SIDES = (("D", "C"), ("S", "H"), ("40", "50"), ("1", "-1"), ("0", "1"), ("1", "2"), ("DEBIT", "CREDIT"), ("DR", "CR"))
_ZERO_FILLED = 8
NUMBERS = frozenset({"entry_number", "line_in_file", "line_in_entry", "fiscal_year"})
DATES = ("entry_date", "document_date", "due_on", "validated_on", "lettered_on")
#: the class of the accounts of third parties
PAYABLE = "4"


@dataclass
class Guess:
    """A field. column: the one it is mapped to. keys: of the format file, in their order. note: what else it may be.

    is_sure: whether it is mapped or constant; else a person has to say what stands here.
    """

    name: str
    column: str = ""
    keys: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    examples: list[str] = field(default_factory=list)
    is_sure: bool = True


class Figures:
    """The columns of one kind of line, and what those are that hold figures."""

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

    # ------------------------------------------------------------------------------------------------------- helpers

    def _open(self) -> list[int]:
        return [at for at in range(self.width) if at not in self._guesses and self._filled[at]]

    def _is_full(self, at: int) -> bool:
        return len(self._filled[at]) == len(self._cells[at])

    def _distinct(self, at: int) -> set[str]:
        return set(self._filled[at])

    def _set(self, at: int, column: str, note: str = "", **keys: Any) -> None:
        made = {**({} if keys.keys() & {"expression", "value"} else {"from": column}), **keys}
        if column in NUMBERS and self._kind == "json" and at not in self._group.typed:
            made["quoted"] = True
        self._guesses[at] = Guess(self._names[at], column, made, note)

    def _at(self, column: str) -> int | None:
        return next((at for at, guess in sorted(self._guesses.items()) if guess.column == column), None)

    def _accounts(self) -> list[str]:
        at = self._at("account")
        at = self._at("posting_account") if at is None else at
        return [""] * len(self._group.rows) if at is None else self._cells[at]

    def _only_on_payables(self, at: int) -> bool:
        """Whether a cell is filled on some lines of class 4 and on no others."""
        pairs = list(zip(self._cells[at], self._accounts(), strict=True))
        filled = [account for cell, account in pairs if cell]
        return bool(filled) and len(filled) < len(pairs) and all(account.startswith(PAYABLE) for account in filled)

    # --------------------------------------------------------------------------------------------------------- dates

    def _find_dates(self) -> None:
        refused = {"account", "auxiliary", "debit", "credit", "amount", "side_amount", "entry_number", "line_number"}
        forms = {at: date_forms(self._filled[at]) for at in self._open() if self._hints[at] not in refused}
        forms = {at: found for at, found in forms.items() if found}
        chosen = self._forms(forms)
        for at in self._open():
            if self._hints[at] in DATES and at not in chosen and is_day_and_month(self._filled[at]):
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
            column = self._hints[at] if self._hints[at] in DATES and self._hints[at] not in taken else ""
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
            self._find_mixed_account()
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

    def _find_mixed_account(self) -> None:
        """A column of general accounts and, on lines of third parties, of their own ones."""
        for at in self._open():
            values = self._filled[at]
            accounts = [value for value in values if _ACCOUNT.match(value) and value.isdigit()]
            codes = all(re.match(r"[\w.-]{1,17}\Z", value) for value in values)
            classes = {value[0] for value in accounts if len(value) > 4}  # noqa: PLR2004 - shorter ones are numbers
            if codes and self._is_full(at) and len(accounts) * 3 >= len(values) and len(classes) > 1:
                self._set(at, "posting_account", "accounts, and on lines of third parties their own")
                return

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
        elif all(cells[row] and accounts[row].startswith(PAYABLE) for row in differ) and len(differ) < len(cells):
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
            for debit, credit in (*SIDES, *_lettered(values)):
                if not values or not values <= {debit, credit} or (len(values) == 1 and not is_named):
                    continue
                if not self._is_full(at):
                    continue
                signs = [1 if cell.upper() == debit else -1 for cell in self._cells[at]]
                balanced = any(any(self._amounts[a][0]) and self._balances(a, signs) for a in likely)
                if not (debit[-1] in "DS" or debit[0] in "DS" or is_named or (balanced and len(values) > 1)):
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


def _order(form: str) -> str:
    return "".join(re.findall(r"%([dmyY])", form)).lower()


def _lettered(values: set[str]) -> list[tuple[str, str]]:
    """Words of which the last letter alone is a side, as JD and JC."""
    stems = {value[:-1] for value in values}
    return [(f"{stem}D", f"{stem}C") for stem in stems if stem and len(stems) == 1 < len(values)]
