"""A sample file taken apart: what kind of file it is, how it is encoded, and its lines by their kinds, as cells.

Nothing of a file's name is believed: its bytes alone are looked at. What the cells mean is guess.py's.
"""

from __future__ import annotations

import csv
import io
import math
import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import InputError
from pipeline.exports.guess_cells import date_forms
from pipeline.exports.guess_sample import MOST_BYTES, MOST_LINES, Group, Sample, can_be_names, is_names
from pipeline.exports.guess_tables import json_sample, parquet_sample, workbook_sample
from pipeline.exports.guess_widths import field_spans

if TYPE_CHECKING:
    from pathlib import Path

_SEPARATORS = ";\t|,"
_ONE_BYTE = ("cp1252", "iso8859-15", "cp850", "mac_roman")
_LARGEST_CELL = MOST_BYTES
#: characters that a text has besides control characters, at most so many in a hundred others
_MOST_CONTROLS = 2
#: a separator that leaves fewer than one cell in so many characters of a record of fixed width is a comma of an amount
_WIDEST_CELL = 15
_SHORTEST_FIXED = 16
_MOST_TAGS = 8
#: so few cells are believed where most lines have them
_FEW = 4
_TAG = re.compile(r"[!*#]?[A-Z]{1,7}\Z")
_LETTER = re.compile(r"[A-Z]\Z")
_SIDES = ({"D", "C"}, {"S", "H"})

#: a record: its place, its line, its cells
_Row = tuple[int, str, list[str]]


def read_sample(path: Path, sheet: str | None = None) -> Sample:
    """Takes a sample file apart. Raises: InputError saying what it is, where it is none of the kinds that are known."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"the file cannot be read ({error.strerror or error})", where=str(path)) from None
    if not content.strip():
        raise InputError("the file is empty", where=str(path), mend="give a file with some entries in it")
    if content.startswith(b"PAR1"):
        return parquet_sample(path)
    if content.startswith(b"PK\x03\x04"):
        return workbook_sample(path, sheet)
    if sheet is not None:
        raise InputError("the file is no workbook and has no sheets", where=str(path), mend="leave --sheet out")
    said = {
        b"\xd0\xcf\x11\xe0": "an old workbook (.xls): save it as .xlsx",
        b"%PDF": "a PDF: give the file that the accounting package reads",
        b"\x1f\x8b": "packed with gzip: unpack it first",
    }
    for magic, what in said.items():
        if content.startswith(magic):
            raise InputError(f"this is {what}", where=str(path))
    return _text(path, content)


# -------------------------------------------------------------------------------------------------------------- texts


def _text(path: Path, content: bytes) -> Sample:
    is_cut = len(content) > MOST_BYTES
    if is_cut:
        last = max(content.rfind(b"\n"), content.rfind(b"\r"))
        content = content[: last + 1] if last > 0 else content[:MOST_BYTES]
    encoding, text, notes = _decoded(content, path, is_cut=is_cut)
    counts = {"\r\n": text.count("\r\n")}
    counts |= {"\n": text.count("\n") - counts["\r\n"], "\r": text.count("\r") - counts["\r\n"]}
    newline = max(counts, key=lambda end: counts[end]) if any(counts.values()) else "\r\n"
    if is_cut:
        notes.append(f"the file is long: its first {len(content):,} bytes alone were read")
    elif not text.endswith(("\r", "\n")):
        notes.append("the last line of the sample has no line end; files that are written have one")
    if text.lstrip()[:1] in ("{", "[") and (made := json_sample(text)) is not None:
        sample = made
    elif re.match(r"\s*<(\?xml|[A-Za-z])", text):
        raise InputError(
            "this is XML, of which nothing is guessed",
            where=str(path),
            mend="start from a format of kind xml: docs/formats.md says how records and elements are written",
        )
    else:
        sample = _lines(text, notes)
    sample.encoding, sample.newline, sample.notes = encoding, newline, notes
    if sample.kind == "fixed" and encoding.startswith("utf"):
        sample.encoding = "cp1252"
        notes.append(
            f"the sample is {encoding}; records of fixed width want one byte a character, so cp1252 is written"
        )
    return sample


def _decoded(content: bytes, path: Path, *, is_cut: bool) -> tuple[str, str, list[str]]:
    """Encoding, text, and what is to be said. Raises: InputError where it is no text."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        notes = [] if content.startswith(b"\xff\xfe") else ["the sample is UTF-16 big endian; little endian is written"]
        return "utf-16", content.decode("utf-16", "replace"), notes
    controls = sum(content.count(byte) for byte in range(32) if byte not in b"\t\r\n\f\x1a")
    if b"\0" in content or controls * 100 > _MOST_CONTROLS * len(content):
        raise InputError(
            "this is a binary file, no text, workbook or Parquet file",
            where=str(path),
            mend="give a file that the accounting package reads or writes as text",
        )
    content = content.removesuffix(b"\x1a")
    if content.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig", content.decode("utf-8-sig", "replace"), []
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        if is_cut and error.start > len(content) - 4:
            return "utf-8", content[: error.start].decode(), []
    else:
        return ("ascii" if content.isascii() else "utf-8"), text, []
    texts = {encoding: content.decode(encoding, "replace") for encoding in _ONE_BYTE}
    best = max(_ONE_BYTE, key=lambda encoding: _plausible(texts[encoding]))
    return best, texts[best], [f"{best} is the likeliest of {', '.join(_ONE_BYTE)}: look whether the accents are right"]


def _plausible(text: str) -> int:
    """How well characters beyond ASCII fit where they stand: small letters in words, capitals at their beginning."""
    score = 0
    for found in re.finditer(r"[^\x00-\x7f]", text):
        before, character = text[found.start() - 1 : found.start()], found.group()
        after = text[found.end() : found.end() + 1]
        category = unicodedata.category(character)
        if category == "Ll":
            score += 3 if before.islower() or after.islower() else 1
        elif category == "Lu":
            score += -2 if before.islower() else 1
        elif character in "\u20ac\u00b0\u00ab\u00bb\u2019\u2013\u2026\u00a7\u00a0":
            score += -1 if before.isalpha() and after.isalpha() and character != "\u2019" else 1
        else:
            score -= 3
    return score


def _lines(text: str, notes: list[str]) -> Sample:
    lines = [line for line in re.split(r"\r\n|\n|\r", text) if line.strip("\f\x1a")]
    if len(lines) > MOST_LINES:
        notes.append(f"the file is long: its first {MOST_LINES:,} lines alone were read")
        text = "\n".join(lines[:MOST_LINES]) + "\n"
        lines = lines[:MOST_LINES]
    candidates = {separator: _cut(text, separator) for separator in _SEPARATORS if separator in text}
    separator, best, score = "", [], 0.0
    for candidate, records in candidates.items():
        if (found := _regularity(records)) > score:
            separator, best, score = candidate, records, found
    cells = Counter(len(cells) for _, cells in best).most_common(1)[0][0] if best else 1
    lengths = Counter(map(len, lines))
    length = max(lengths, key=lambda size: (lengths[size], size))
    regular = sum(count for size, count in lengths.items() if count > 1 or size == length)
    is_wide = length >= _SHORTEST_FIXED and cells * _WIDEST_CELL < length
    blanks = sum(1 for line in lines if "   " in line)
    is_blank = blanks * 10 >= len(lines) * 7 and len(lengths) <= _MOST_TAGS
    if is_wide and len(lines) > 1 and ((regular * 2 >= len(lines) and blanks) or is_blank):
        return _fixed(lines)
    if is_wide and is_blank and not score:
        return _fixed(lines)
    if (stacked := _stacked(re.split(r"\r\n|\n|\r", text))) is not None and cells <= 2:  # noqa: PLR2004 - of amounts with a comma
        return stacked
    if score > 0:
        return _delimited(best, separator, notes)
    notes.append("neither a separator nor a fixed width was found: each line is one field")
    return Sample(
        "delimited", [Group([[line] for line in lines], list(range(len(lines))))], separator=";", quote="never"
    )


def _cut(text: str, separator: str) -> list[tuple[str, list[str]]]:
    """Each record's line and cells. Where quotation marks do not pair up, they are characters as others are."""
    csv.field_size_limit(max(csv.field_size_limit(), _LARGEST_CELL))
    taken: list[str] = []

    def lines() -> Any:
        for line in io.StringIO(text, newline=""):
            taken.append(line)
            yield line

    found = []
    try:
        for cells in csv.reader(lines(), delimiter=separator, strict=True):
            raw = "".join(taken).rstrip("\r\n")
            taken.clear()
            if raw.strip("\f\x1a"):
                found.append((raw, cells))
    except csv.Error:
        plain = [line for line in re.split(r"\r\n|\n|\r", text) if line.strip("\f\x1a")]
        return [(line, line.split(separator)) for line in plain]
    return found


def _regularity(records: list[tuple[str, list[str]]]) -> float:
    """How regularly a separator cuts: the share of lines with the usual number of cells, by that number."""
    counts = Counter(len(cells) for _, cells in records)
    usual = max(counts, key=lambda size: (counts[size] if size > 1 else 0, size))
    if usual <= 1:
        return 0.0
    of_tag: dict[str, Counter[int]] = {}
    for _, cells in records:
        of_tag.setdefault(cells[0] if cells else "", Counter())[len(cells)] += 1
    good = sum(1 for _, cells in records if len(cells) == usual)
    for tag, sizes in of_tag.items():
        size, count = sizes.most_common(1)[0]
        good += count if size not in (usual, 1) and count > 1 and len(sizes) == 1 and _TAG.match(tag) else 0
    return good / len(records) * math.log2(usual) if good * (3 if usual > _FEW else 2) >= len(records) else 0.0


# ---------------------------------------------------------------------------------------------------------- delimited


def _delimited(records: list[tuple[str, list[str]]], separator: str, notes: list[str]) -> Sample:
    flags = [_quotes(raw, cells, separator) for raw, cells in records]
    sample = Sample("delimited", [], separator=separator, quote=_quoting(flags, separator))
    rows = [(place, raw, cells) for place, (raw, cells) in enumerate(records)]
    if _is_tagged([cells for _, _, cells in rows]):
        _by_tags(sample, rows, flags)
        return sample
    counts = Counter(len(cells) for _, _, cells in rows)
    usual = max(counts, key=lambda size: (counts[size] if size > 1 else 0, size))
    start = next(at for at, (_, _, cells) in enumerate(rows) if len(cells) == usual)
    below = {len(cells) for _, _, cells in rows[start:]}
    often = {size for size, count in counts.items() if count > 1 and count * 10 >= len(rows)}
    kept = {usual} | (below & often)
    first = next(at for at, (_, _, cells) in enumerate(rows) if len(cells) in kept)
    if first and _is_head_of_entry(rows[first - 1][2], [cells for _, _, cells in rows if len(cells) == usual]):
        first -= 1
        kept.add(len(rows[first][2]))
    sample.heading = [raw for _, raw, _ in rows[:first]]
    rows = rows[first:]
    names, rows = _names(rows, usual, sample, flags)
    if rows and len(rows[-1][2]) != usual and counts[len(rows[-1][2])] == 1:
        sample.tail = [rows.pop()[1]]
    for place, _, cells in rows:
        if len(cells) not in kept:
            notes.append(f"record {place + 1} has {len(cells)} cells where others have {usual}: it is left out")
    parts: dict[tuple[int, str], list[_Row]] = {}
    letters = _letters([cells for _, _, cells in rows if len(cells) == usual])
    for row in rows:
        if len(row[2]) in kept:
            parts.setdefault((len(row[2]), row[2][0] if letters else ""), []).append(row)
    sample.groups = [_group(part, flags, sample.quote, tag=key[1]) for key, part in parts.items()]
    if not sample.groups:
        sample.groups = [Group([], [])]
    for group in sample.groups:
        group.names = names.get(group.width or usual, [])
    return sample


def _quoting(flags: list[list[bool | None]], separator: str) -> Literal["always", "where_needed", "never"]:
    """Which fields stand in quotes: all, some, or none in the sample."""
    known = [flag for row in flags for flag in row if flag is not None]
    if known and all(known):
        return "always"
    return "never" if not any(known) and separator in "\t|" else "where_needed"


def _by_tags(sample: Sample, rows: list[_Row], flags: list[list[bool | None]]) -> None:
    """Lines of which the first cell says the kind; those that begin with ! hold the names of a kind's cells."""
    sample.heading = [raw for _, raw, cells in rows if cells[0].startswith("!")]
    named = {cells[0][1:]: cells for _, _, cells in rows if cells[0].startswith("!")}
    parts: dict[str, list[_Row]] = {}
    for row in rows:
        if not row[2][0].startswith("!"):
            parts.setdefault(row[2][0], []).append(row)
    for tag, part in parts.items():
        group = _group(part, flags, sample.quote, tag=tag)
        names = named.get(tag, [])
        group.names = names if len(names) == group.width and can_be_names(names) else []
        sample.groups.append(group)


def _group(part: list[_Row], flags: list[list[bool | None]], quote: str, *, tag: str) -> Group:
    width = max(len(cells) for _, _, cells in part)
    always = set(range(width)) if quote == "where_needed" else set()
    for place, _, _ in part:
        row = flags[place]
        always = {at for at in always if at < len(row) and row[at] is True}
    return Group([cells for _, _, cells in part], [place for place, _, _ in part], tag, quoted=frozenset(always))


def _quotes(raw: str, cells: list[str], separator: str) -> list[bool | None]:
    """Of each cell whether it stands in quotes; nothing of any where that cannot be told."""
    mark = re.escape(separator)
    found = re.findall(rf'(?:^|{mark})("(?:[^"]|"")*"(?=$|{mark})|[^{mark}]*)', raw, re.DOTALL)
    if len(found) != len(cells):
        return [None] * len(cells)
    return [text.startswith('"') and text.endswith('"') and len(text) > 1 for text in found]


def _is_tagged(rows: list[list[str]]) -> bool:
    """Whether the first cell says of which kind a line is: a few words, each with its own number of cells."""
    sizes: dict[str, set[int]] = {}
    for cells in rows:
        sizes.setdefault(cells[0] if cells else "", set()).add(len(cells))
    known = [tag for tag in sizes if not tag.startswith("!")]
    return (
        1 < len(known) <= _MOST_TAGS
        and all(_TAG.match(tag) for tag in sizes)
        and all(len(of) == 1 for of in sizes.values())
        and len({min(of) for of in sizes.values()}) > 1
    )


def _letters(rows: list[list[str]]) -> bool:
    """Whether the first cell is one of a few letters, as G and A, and each has cells that the others leave empty."""
    filled: dict[str, set[int]] = {}
    for cells in rows:
        filled.setdefault(cells[0], set()).update(at for at, cell in enumerate(cells) if cell)
    if not 1 < len(filled) <= _MOST_TAGS or set(filled) in _SIDES or not all(_LETTER.match(tag) for tag in filled):
        return False
    masks = list(filled.values())
    return all(len(one ^ other) > 1 for at, one in enumerate(masks) for other in masks[:at])


def _names(
    rows: list[_Row], usual: int, sample: Sample, flags: list[list[bool | None]]
) -> tuple[dict[int, list[str]], list[_Row]]:
    """The names on top, by the number of cells, and the rows below; names that no field can have go to the heading."""
    taken = []
    while rows and is_names(rows[0][2], [cells for _, _, cells in rows[1:] if len(cells) == len(rows[0][2])]):
        taken.append(rows[0])
        rows = rows[1:]
    if not taken:
        return {}, rows
    names = {len(cells): cells for _, _, cells in taken}
    *above, (place, raw, last) = taken
    sample.heading += [line for _, line, _ in above]
    quotes = [flag for flag in flags[place] if flag is not None]
    is_written_so = all(quotes) if sample.quote == "always" else not any(quotes)
    sample.has_names = len(last) == usual and len(names) == 1 and can_be_names(last) and is_written_so
    if not sample.has_names:
        sample.heading.append(raw)
    return names, rows


def _is_head_of_entry(cells: list[str], lines: list[list[str]]) -> bool:
    """Whether the line above the others is of their entry: it has the date that they lack."""

    def has_date(row: list[str]) -> bool:
        return any(date_forms([cell.strip()]) for cell in row if cell.strip())

    return has_date(cells) and not any(has_date(row) for row in lines)


def _stacked(lines: list[str]) -> Sample | None:
    """A file in which each field is a line: one line comes again and again, always as many lines later."""
    again = [line for line, count in Counter(lines).items() if count > 1 and line.startswith("#")]
    for marker in again:
        places = [at for at, line in enumerate(lines) if line == marker]
        size = places[1] - places[0]
        end = places[-1] + size
        if size > 2 and places == list(range(places[0], end, size)) and 0 <= len(lines) - end <= 3:  # noqa: PLR2004
            group = Group([lines[at : at + size] for at in places], places, tag=marker)
            return Sample(
                "delimited",
                [group],
                separator="\r\n",
                quote="never",
                heading=lines[: places[0]],
                tail=[line for line in lines[end:] if line],
            )
    return None


# -------------------------------------------------------------------------------------------------------------- fixed


def _fixed(lines: list[str]) -> Sample:
    parts: dict[tuple[int, str], list[int]] = {}
    by_length: dict[int, list[int]] = {}
    for place, line in enumerate(lines):
        by_length.setdefault(len(line), []).append(place)
    for length, places in by_length.items():
        tags = _tags([lines[place] for place in places])
        for place, tag in zip(places, tags, strict=True):
            parts.setdefault((length, tag), []).append(place)
    sample = Sample("fixed", [])
    for (_, tag), places in sorted(parts.items(), key=lambda part: part[1][0]):
        if places == [0] and len(parts) > 1:
            sample.heading = [lines[0]]
            continue
        rows = [lines[place] for place in places]
        spans = field_spans(rows)
        cells = [[row[first - 1 : last] for first, last in spans] for row in rows]
        sample.groups.append(Group(cells, places, tag, spans=spans))
    firsts = [{row[0].strip() for row in group.rows} for group in sample.groups]
    if len(firsts) > 1 and all(len(first) == 1 and all(map(_TAG.match, first)) for first in firsts):
        for group, (first,) in zip(sample.groups, firsts, strict=True):
            group.tag = first
    return sample


def _tags(lines: list[str]) -> list[str]:
    """What records of one length begin with, where that tells two kinds of them apart; else nothing."""
    found = [re.match(r"[A-Z*#]{1,6}", line) for line in lines]
    tags = [match.group() if match else "" for match in found]
    known = set(tags)
    if not 1 < len(known) <= _MOST_TAGS or "" in known:
        return [""] * len(lines)
    masks = {
        tag: {at for line, its in zip(lines, tags, strict=True) if its == tag for at, c in enumerate(line) if c != " "}
        for tag in known
    }
    sizes = list(masks.values())
    apart = all(len(one ^ other) * 8 > len(lines[0]) for at, one in enumerate(sizes) for other in sizes[:at])
    return tags if apart else [""] * len(lines)
