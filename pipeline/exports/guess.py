"""What the cells of a sample file are: for each the column that it is of, and how its values are written."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from pipeline.exports.guess_figures import DATES, NUMBERS, PAYABLE, Figures, Guess
from schemas.currencies import MINOR_UNITS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.exports.guess_sample import Group, Kind

_CODE = re.compile(r"(?=.*[A-Z])[A-Z0-9]{2,6}\Z")
_REFERENCE = re.compile(r"(?=.*[0-9])[\w./-]{4,40}\Z")
_KNOWN_JOURNALS = frozenset(
    (
        "AC",
        "ACH",
        "AN",
        "BAN",
        "BNQ",
        "BQ",
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
        "VTE",
    )
)
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


class Columns(Figures):
    """The columns of one kind of line, and what each is."""

    def __init__(self, kind: Kind, group: Group, *, is_line: bool = True) -> None:
        super().__init__(kind, group, is_line=is_line)
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
                is_one = len(self._distinct(at)) == 1 and len(self._group.rows) > 1
                rivals = [other for other in range(self.width) if other != at and self._hints[other] == "label"]
                if column == "label" and is_one and any(len(self._distinct(other)) > 1 for other in rivals):
                    self._set(at, "entry_label", "the same on every line of the sample; or label")
                elif column == "label" and is_beside and self._is_of_accounts(at) and self._hints.count("label") > 1:
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
            keys = {}
            if column == "auxiliary" and self._kind == "fixed" and all(re.match(r"X\w", value) for value in values):
                keys = {"expression": "if third_party then 'X' & auxiliary else ''", "reads": "auxiliary"}
            self._set(at, column, "filled on lines of third parties alone", **keys)

    def _may_be_document(self, at: int) -> bool:
        """Whether a cell called a document is one, and not the number of the entry beside a longer reference."""
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
            and (len(self._distinct(at)) > 1 or not re.search(r"[0-9]", self._filled[at][0]))
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
        first = self._at("journal_code")
        for at in self._open():
            if first is not None and len(self._distinct(at)) > 1 and self._cells[at] == self._cells[first]:
                self._set(at, "journal_code", "the same as the journal on every line of the sample")

    def _find_numbers(self) -> None:
        whole = [at for at in self._open() if all(re.match(r"[0-9]{1,9}\Z", cell) for cell in self._filled[at])]
        for at in whole:
            numbers = [int(cell) for cell in self._cells[at] if cell]
            steps = {after - before for before, after in pairwise(numbers)}
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
        elif first is None:
            # Short ones, as R1, of which the lines balance.
            keys = [at for at in self._open() if self._is_key(at) and not any(" " in cell for cell in self._cells[at])]
            journal = self._at("journal_code")
            fewest = 0 if journal is None else len(self._distinct(journal))  # journals balance too
            keys = [at for at in keys if self._is_full(at) and at not in self._amounts]
            keys = [at for at in keys if len(self._distinct(at)) > fewest]
            if keys:
                self._set(keys[0], "document", "lines with the same one balance; or fill('{document}-{version}')")
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
        """When lines of third parties are due: a date on these alone, or another than the entry's on these alone."""
        for at, guess in self._guesses.items():
            if guess.column == "due_on" and "date" in guess.keys and self._only_on_payables(at):
                said = f"if third_party then date(due_on, '{guess.keys['date']}') else ''"
                guess.keys = {"expression": said, "reads": "due_on"}
        first = next((at for at in sorted(self._days) if self._guesses[at].column == "entry_date"), None)
        for at, guess in self._guesses.items():
            if first is None or guess.column != "document_date" or not self._is_full(at) or "date" not in guess.keys:
                continue
            differ = [row for row, day in enumerate(self._days[at]) if day != self._days[first][row]]
            accounts = self._accounts()
            if 0 < len(differ) < len(self._days[at]) and all(accounts[row][:1] == PAYABLE for row in differ):
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
        if (form := guess.keys.pop("date", None)) is not None or (guess.column in DATES and said == guess.column):
            said = f"date({said}, '{form or '%Y-%m-%d'}')"
        elif said in NUMBERS:
            said = f"digits({said})"
        guess.keys = {"expression": f"if line_in_entry = 1 then {said} else ''", **guess.keys}
        guess.note = "; ".join(part for part in ("on the first line of an entry alone", guess.note) if part)


def mapped(guesses: Iterable[Guess]) -> int:
    """How many fields are mapped to a column."""
    return sum(1 for guess in guesses if guess.column)
