"""The fields of records of fixed width: borders where every record changes between blanks, letters and figures."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from pipeline.exports.guess_cells import date_forms
from schemas.currencies import MINOR_UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator

#: texts are given the blanks behind them up to so many; what is left is a field without a value
_MOST_BLANKS = 40
#: an amount on the right has this width, where blanks are between it and a text
_AMOUNT = 13
_SIDES = ({"C", "D"}, {"S", "H"})
_FIGURE = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]{1,4})?[+-]?\Z")
_LONG = 8
#: of so many records two letters are no chance
_MANY = 6
_SHORT_CODE = (4, 6)
_CODE = 3

Span = tuple[int, int]


def field_spans(rows: list[str]) -> list[Span]:
    """The first and last position of each field, the first being 1; they leave no gap and reach to the record's end."""
    width = len(rows[0])
    pieces = [piece for island in _islands(rows) for piece in _cut(rows, *island)]
    pieces = _joined(rows, pieces)
    return [(first + 1, last) for first, last in _filled_up(rows, pieces, width)]


def _islands(rows: list[str]) -> Iterator[Span]:
    """Runs of positions that are not blank in every record; a letter that is a side is a run of its own."""
    width = len(rows[0])
    columns = [{row[at] for row in rows} for at in range(width)]
    start = None
    for at in range(width + 1):
        is_blank = at == width or columns[at] == {" "}
        is_side = not is_blank and columns[at] in _SIDES and _stands_alone(rows, at)
        if start is not None and (is_blank or is_side):
            yield start, at
            start = None
        if is_side:
            yield at, at + 1
        elif not is_blank and start is None:
            start = at


def _stands_alone(rows: list[str], at: int) -> bool:
    """Whether no letter that changes with the record stands beside a position; of many records, none behind it."""
    if len(rows) >= _MANY and at + 1 < len(rows[0]) and not any(row[at + 1].isalpha() for row in rows):
        return True
    return all(
        not any(row[beside].isalpha() for row in rows) or len({row[beside] for row in rows}) == 1
        for beside in (at - 1, at + 1)
        if 0 <= beside < len(rows[0])
    )


def _cut(rows: list[str], start: int, end: int) -> Iterator[Span]:
    """Cuts a run where every record changes, where dates stand together, and a number in front of letters."""
    borders = [at for at in range(start + 1, end) if _is_border(rows, start, at, end)]
    for first, last in pairwise([start, *borders, end]):
        yield from _dates(rows, first, last)


def _kind(character: str) -> str:
    if character == " ":
        return " "
    if character.isdigit() or character in "+-.,":
        return "9"
    return "a" if character.isalpha() else "."


def _is_border(rows: list[str], start: int, at: int, end: int) -> bool:
    changes = {(_kind(row[at - 1]), _kind(row[at])) for row in rows}
    changes.discard((" ", " "))
    moving = sum(1 for row in rows if _kind(row[at - 1]) != _kind(row[at]))
    if moving * 2 < len(rows) and len(rows) >= _MANY:
        return False
    if not changes or any(before == after or "." in (before, after) for before, after in changes):
        return False
    if any(row[at - 1] in "-.," and _kind(row[at]) == "a" for row in rows):
        return False
    if changes <= {("a", "9")}:
        return _figures_begin(rows, start, at, end)
    if changes <= {("9", "a")}:
        return _figures_end(rows, start, at)
    return not changes <= {("a", " "), (" ", "a")} or len(changes) == 1


def _figures_begin(rows: list[str], start: int, at: int, end: int) -> bool:
    """Whether letters end and a figure begins: a date, an amount, a long number, an account behind one letter."""
    runs = [re.match(r"[0-9+.,-]+", row[at:end]) for row in rows]
    texts = [run.group() if run else "" for run in runs]
    if any(text[:1] in "-.," for text in texts) or not all(_FIGURE.match(text) for text in texts):
        return False
    is_date = any(_starts_dates([text[skip:] for text in texts]) for skip in range(4))
    is_long = all(len(text) >= _LONG for text in texts) or all(re.search(r"[.,][0-9]{2}$", text) for text in texts)
    behind = {len(re.search(r"[A-Za-z]*$", row[start:at]).group()) for row in rows}  # type: ignore[union-attr]
    is_account = max(behind) <= 2 and len(set(texts)) > 1 and all(text[0] in "1234567" for text in texts)  # noqa: PLR2004
    return is_date or is_long or is_account


def _starts_dates(texts: list[str]) -> bool:
    return any(
        all(len(text) >= size for text in texts) and date_forms([text[:size] for text in texts]) for size in (8, 6)
    )


def _figures_end(rows: list[str], start: int, at: int) -> bool:
    """Whether figures end and letters begin: behind a number that begins the run or has stood alone."""
    return all(re.search(r"(?:^|[ a-zA-Z])[+-]?[0-9]+(?:[.,][0-9]+)?$", row[start:at]) for row in rows) and not any(
        re.search(r"[A-Za-z][-0-9]*-[0-9]*$", row[start:at]) for row in rows
    )


def _dates(rows: list[str], first: int, last: int) -> Iterator[Span]:
    """Cuts a run of digits into dates and what stands before them, and a code of a currency from what follows it."""
    texts = [row[first:last] for row in rows]
    filled = [text for text in texts if text.strip()]
    if all(re.match(r"[A-Z]+\Z", text) for text in filled):
        codes = {text[:_CODE] for text in filled}
        if codes <= MINOR_UNITS.keys() and _SHORT_CODE[0] <= last - first <= _SHORT_CODE[1]:
            yield from ((first, first + _CODE), (first + _CODE, last))
            return
    if not date_forms([text.strip() for text in filled]) and all(re.match(r"[0-9 ]+\Z", text) for text in filled):
        for size in (8, 6):
            heads = [text[:size] for text in filled if text[:size].strip()]
            if last - first > size and len(heads) == len(filled) and date_forms(heads):
                yield first, first + size
                yield from _dates(rows, first + size, last)
                return
        for size in (8, 6):
            ends = [text[-size:] for text in filled]
            before = {text[:-size] for text in filled}
            if last - first > size and len(before) == 1 and date_forms(ends):
                yield from ((first, last - size), (last - size, last))
                return
    yield first, last


def _joined(rows: list[str], pieces: list[Span]) -> list[Span]:
    """Puts words that one blank is between together again: they are one text."""
    made: list[Span] = []
    for first, last in pieces:
        if made and first - made[-1][1] == 1 and _is_text(rows, *made[-1]) and not _is_figure(rows, first, last):
            made[-1] = (made[-1][0], last)
        else:
            made.append((first, last))
    return made


def _is_text(rows: list[str], first: int, last: int) -> bool:
    return last - first > 1 and any(re.search(r"[^\W\d_]", row[first:last]) for row in rows)


def _is_figure(rows: list[str], first: int, last: int) -> bool:
    texts = [row[first:last].strip() for row in rows]
    filled = [text for text in texts if text]
    is_number = all(_FIGURE.match(text) for text in filled)
    return is_number and (len(set(texts)) > 1 or bool(date_forms(filled)) or all(len(text) >= _LONG for text in filled))


def _filled_up(rows: list[str], pieces: list[Span], width: int) -> Iterator[Span]:
    """Gives each blank between two fields to the text on its left or the figure on its right."""
    at = 0
    if pieces and _is_right(rows, *pieces[0]):
        pieces[0] = (0, pieces[0][1])  # blanks at the beginning are the number's
    for number, (first, last) in enumerate(pieces):
        if first > at:
            yield at, first  # what neither the field before nor this one has taken
        following = pieces[number + 1][0] if number + 1 < len(pieces) else width
        gap = following - last
        end = last
        if _is_tight(rows, first, last):
            pass
        elif number + 1 == len(pieces):
            if _is_text(rows, first, last) and gap < _MOST_BLANKS and not _is_right(rows, first, last):
                end = width
        elif not _is_right(rows, *pieces[number + 1]):
            end = following if gap <= _MOST_BLANKS and not _is_right(rows, first, last) else last
        elif _is_text(rows, first, last) and gap:
            size = pieces[number + 1][1] - pieces[number + 1][0]
            end = following - min(gap, max(0, _AMOUNT - size))
        if number + 1 < len(pieces) and _is_right(rows, *pieces[number + 1]) and following - end <= _MOST_BLANKS:
            pieces[number + 1] = (end, pieces[number + 1][1])
        yield first, end
        at = end
    if at < width or not pieces:
        yield at, width


def _is_tight(rows: list[str], first: int, last: int) -> bool:
    """Whether a field ends where its values do: a side, a date, a number filled up with zeros."""
    texts = [row[first:last] for row in rows if row[first:last].strip()]
    zeros = all(re.match(r"[+-]?0[0-9]+\Z", text) for text in texts)
    return set(texts) in _SIDES or zeros or bool(date_forms(texts))


def _is_right(rows: list[str], first: int, last: int) -> bool:
    """Whether figures stand on the right: they end where the field does, and begin anywhere or behind blanks."""
    texts = [row[first:last] for row in rows if row[first:last].strip()]
    is_number = all(_FIGURE.match(text.strip()) for text in texts)
    if not is_number or any(text != text.rstrip() for text in texts):
        return False
    has_decimals = all(re.search(r"[.,][0-9]", text) for text in texts)
    before = {row[max(0, first - 4) : first] for row in rows}
    is_behind_blanks = before == {"    "} or (first < 4 and not "".join(before).strip() and first > 0)  # noqa: PLR2004
    is_short = all(len(text.strip()) <= 4 for text in texts)  # noqa: PLR2004
    return has_decimals or len({len(text.strip()) for text in texts}) > 1 or (is_behind_blanks and is_short)
