"""Files read back: from bytes to the texts of each record, by the description that they were written by.

Nothing here knows what was written. Which record a line is of is told by its constant fields, by its fields' number or
names, by its width, or by its text; where that leaves more than one, the line is a candidate for each.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openpyxl
import polars as pl
from lxml import etree

from pipeline.errors import ExportError
from pipeline.exports.cells import byte_order_mark
from pipeline.exports.description import TEXTS
from pipeline.exports.expressions import Type
from pipeline.exports.write_xlsx import places, sheet_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pipeline.exports.format import LoadedFormat, LoadedRecord
    from pipeline.exports.slots import Reading

#: the longest text of a line that a message shows
_SHOWN = 60
#: rows of a sheet that stand above the first record, at most
_MOST_CELL = 10_000_000


@dataclass(frozen=True)
class Stranger:
    """A line of the file that is no record of the format."""

    line: int
    text: str


@dataclass
class Back:
    """What was read.

    records: by the record's number its rows: `row` (their order), `line` (where in the file), and the texts of its
    slots' cells as `cell <number>`. strangers: lines that are no record.
    """

    records: dict[int, pl.DataFrame] = field(default_factory=dict)
    strangers: list[Stranger] = field(default_factory=list)


def place_of(made: LoadedRecord, loaded: LoadedFormat) -> str:
    """The file, or the sheet, that a record stands in."""
    return made.record.into if loaded.format.kind in TEXTS else sheet_of(made)


def unpacked(loaded: LoadedFormat, contents: list[bytes]) -> dict[str, bytes]:
    """The content of each of the files that records go into, of the files of an export in their order.

    Raises: ExportError where a packed file cannot be opened.
    """
    form = loaded.format
    try:
        if form.pack == "zip":
            with zipfile.ZipFile(io.BytesIO(contents[0])) as packed:
                contents = [packed.read(name) for name in packed.infolist()]
            return dict(zip(form.files, contents, strict=False))
        if form.pack == "gzip":
            contents = [gzip.decompress(contents[0])]
    except (zipfile.BadZipFile, gzip.BadGzipFile, EOFError) as error:
        raise ExportError(f"the file cannot be unpacked ({error})", where=f"format {loaded.name}") from None
    return dict(zip(["", *form.files], contents, strict=False))


def read_back(
    loaded: LoadedFormat,
    readings: list[Reading],
    contents: Mapping[str, bytes],
    heads: Mapping[str, list[int]],
    tails: Mapping[str, list[int]],
    digits: int,
) -> Back:
    """Reads files back. heads, tails: the records per file and account that stand on top and below, in their order.

    Raises: ExportError where a file is not of its kind at all.
    """
    back = Back()
    found: dict[int, list[pl.DataFrame]] = defaultdict(list)
    first = 0
    for into, content in contents.items():
        reader = _Reader(loaded, readings, into, heads, tails)
        frames, loose = reader.frames(content)
        last = first
        for number, frame in _told_apart(frames, readings, digits, loose, back.strangers):
            found[number].append(frame.with_columns(pl.col("row") + first))
            last = max(last, first + int(frame["row"].max() or 0) + 1)  # type: ignore[arg-type]  # a whole number
        first = last
    back.records = {number: pl.concat(parts) for number, parts in found.items()}
    return back


def _told_apart(
    frames: list[tuple[int, pl.DataFrame]],
    readings: list[Reading],
    digits: int,
    loose: pl.DataFrame,
    strangers: list[Stranger],
) -> Iterator[tuple[int, pl.DataFrame]]:
    """Keeps of each line the records that it may be of; a line that is of none is a stranger."""
    kept = []
    for number, frame in frames:
        reading = readings[number]
        lacking = [slot.is_lacking(pl.col(f"cell {slot.cell}").fill_null(""), digits) for slot in reading.slots]
        rank = pl.when(pl.any_horizontal(lacking)).then(0).otherwise(1) if lacking else pl.lit(1)
        cells = [pl.col(f"cell {n}") for n in sorted({slot.cell for slot in reading.slots})]
        # A row of constants is that one, whatever else it might be.
        rank = pl.lit(2) if reading.is_constant else rank
        kept.append((number, frame.select("row", "line", *cells, rank.cast(pl.Int32).alias("rank"))))
    seen = pl.concat([frame.select("row", "rank") for _, frame in kept]) if kept else _no_rows()
    best = seen.group_by("row").agg(pl.col("rank").max().alias("best"))
    unread = loose.join(best, on="row", how="anti").sort("row").select("line", pl.col("text").str.head(_SHOWN))
    strangers += [Stranger(line, text) for line, text in unread.iter_rows()]
    for number, frame in kept:
        chosen = frame.join(best, on="row").filter(pl.col("rank") == pl.col("best")).drop("best", "rank")
        yield number, chosen.sort("row")


def _no_rows() -> pl.DataFrame:
    return pl.DataFrame(schema={"row": pl.Int64, "rank": pl.Int32})


class _Reader:
    """Cuts one file into records."""

    def __init__(
        self,
        loaded: LoadedFormat,
        readings: list[Reading],
        into: str,
        heads: Mapping[str, list[int]],
        tails: Mapping[str, list[int]],
    ) -> None:
        self._loaded = loaded
        self._form = loaded.format
        self._into = into
        self._by_place = heads
        self._heads = heads.get(into, [])
        self._tails = tails.get(into, [])
        #: the records that stand between top and end
        self._records = [
            (number, made, readings[number])
            for number, made in enumerate(loaded.records)
            if made.record.per not in ("file", "account")
            and readings[number].comes
            and (loaded.format.kind not in TEXTS or made.record.into == into)
        ]
        self._readings = readings

    def frames(self, content: bytes) -> tuple[list[tuple[int, pl.DataFrame]], pl.DataFrame]:
        """The lines that may be of each record, and all lines with their texts."""
        kind = self._form.kind
        if kind == "parquet":
            return self._parquet(content)
        if kind == "xlsx":
            return self._xlsx(content)
        if kind == "xml":
            return self._named(self._xml(content))
        return self._texts(self._decoded(content))

    def _texts(self, text: str) -> tuple[list[tuple[int, pl.DataFrame]], pl.DataFrame]:
        if self._form.kind == "json":
            return self._named(self._json(text), text)
        if self._form.kind == "delimited":
            return self._stacked(text) if self._form.separator == "\r\n" else self._delimited(text)
        return self._lines(text)

    # ---------------------------------------------------------------------------------------------------- texts

    def _decoded(self, content: bytes) -> str:
        encoding = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}.get(self._form.encoding, self._form.encoding)
        return content.removeprefix(byte_order_mark(self._loaded)).decode(encoding, "replace")

    def _split(self, text: str) -> list[str]:
        lines = text.split(self._form.newline)
        return lines[:-1] if lines and not lines[-1] else lines

    def _body(self, lines: list[Any]) -> tuple[list[Any], int]:
        """The lines between top and end, and how many stand on top."""
        first = len(self._heads)
        return lines[first : max(first, len(lines) - len(self._tails))], first

    def _lines(self, text: str) -> tuple[list[tuple[int, pl.DataFrame]], pl.DataFrame]:
        """Of fixed records, and of records that are texts."""
        body, first = self._body(self._split(text))
        raw = _numbered(body, first)
        frames = []
        for number, made, reading in self._records:
            if reading.pattern is not None:
                frames.append((number, _matched(raw, reading)))
                continue
            spans = [cell.field.span for cell in made.cells]
            width = spans[-1][1]
            cells = [pl.col("text").str.slice(first - 1, last - first + 1) for first, last in spans]
            frame = raw.filter(pl.col("text").str.len_chars() == width).with_columns(
                cell.alias(f"cell {n}") for n, cell in enumerate(cells)
            )
            frames.append((number, _constant(frame, made, reading)))
        return frames, raw

    def _delimited(self, text: str) -> tuple[list[tuple[int, pl.DataFrame]], pl.DataFrame]:
        body, _ = self._body(list(self._rows(text)))
        by_length: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        for place, (line, raw, cells) in enumerate(body):
            by_length[len(cells)].append((place, line, raw, *cells))
        tables = {
            length: pl.DataFrame(rows, schema=_schema(length), orient="row") for length, rows in by_length.items()
        }
        raw = pl.concat([table.select("row", "line", "text") for table in tables.values()]) if tables else _nothing()
        frames = []
        for number, made, reading in self._records:
            if reading.pattern is not None:
                frames.append((number, _matched(raw, reading)))
                continue
            length = len(made.record.row) if made.record.row is not None else len(made.cells)
            if length in tables:
                frames.append((number, _constant(tables[length], made, reading)))
        return frames, raw

    def _rows(self, text: str) -> Iterator[tuple[int, str, list[str]]]:
        """Line, text and cells of each record; a quoted cell may have line breaks in it."""
        form = self._form
        quoted = any(cell.field.quoted for made in self._loaded.records for cell in made.cells)
        if form.quote == "never" and not quoted:
            for number, line in enumerate(self._split(text), start=1):
                yield number, line, line.split(form.separator)
            return
        taken: list[str] = []
        count = 0

        def lines() -> Iterator[str]:
            nonlocal count
            for line in self._split(text):
                count += 1
                taken.append(line)
                yield line + form.newline

        csv.field_size_limit(_MOST_CELL)
        start = 1
        for cells in csv.reader(lines(), delimiter=form.separator):
            if form.formula == "escape":
                cells[:] = [cell[1:] if cell[:1] == "'" and cell[1:2] in tuple("=+-@\t\r") else cell for cell in cells]
            yield start, form.newline.join(taken), cells or [""]
            taken.clear()
            start = count + 1

    def _stacked(self, text: str) -> tuple[list[tuple[int, pl.DataFrame]], pl.DataFrame]:
        """Where each field is a line: the record is the longest one whose constants stand there."""
        lines = self._split(text)
        start = sum(self._size(number) for number in self._heads)
        end = len(lines) - sum(self._size(number) for number in self._tails)
        known = sorted(self._records, key=lambda record: -self._size(record[0]))
        found: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        loose: list[tuple[int, int, str]] = []
        place = start
        while place < end:
            loose.append((place, place + 1, lines[place]))
            for number, _, reading in known:
                size = self._size(number)
                part = lines[place : min(place + size, end)]
                if len(part) == size and all(part[n] == constant for n, constant in reading.constants.items()):
                    found[number].append((place, place + 1, "", *part))
                    place += size
                    break
            else:
                place += 1
        frames = [
            (number, pl.DataFrame(rows, schema=_schema(self._size(number)), orient="row"))
            for number, rows in found.items()
        ]
        return frames, pl.DataFrame(loose, schema=_schema(0), orient="row")

    def _size(self, number: int) -> int:
        made = self._loaded.records[number]
        return 1 if made.record.text is not None else len(made.record.row or made.cells)

    # ---------------------------------------------------------------------------------------------- XML and JSON

    def _named(
        self, records: Iterable[tuple[int, str, tuple[str, ...], list[str]]], text: str | None = None
    ) -> tuple[list[tuple[int, pl.DataFrame]], pl.DataFrame]:
        """Of records whose fields are told by their names: line, element, names and texts of each."""
        groups: dict[tuple[str, tuple[str, ...]], list[tuple[Any, ...]]] = defaultdict(list)
        for line, element, names, texts in records:
            groups[element, names].append((line, line, f"{element or names[0]}", *texts))
        tables = {
            key: pl.DataFrame(rows, schema=_schema(len(key[1])), orient="row").unique("row", maintain_order=True)
            for key, rows in groups.items()
        }
        frames = []
        every = [table.select("row", "line", "text") for table in tables.values()]
        for number, made, reading in self._records:
            if reading.pattern is not None:
                if text is not None:
                    frames.append((number, _matched(_numbered(self._split(text), 0, start=1), reading)))
                continue
            key = (made.record.element, tuple(cell.name for cell in made.cells))
            if key in tables:
                frames.append((number, _constant(tables[key], made, reading)))
        return frames, pl.concat(every) if every else _nothing()

    def _xml(self, content: bytes) -> Iterator[tuple[int, str, tuple[str, ...], list[str]]]:
        """Records of XML: fields that follow one another, in their element where they have one."""
        parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
        try:
            root = etree.fromstring(content, parser)
        except etree.XMLSyntaxError as error:
            raise ExportError(f"the file is no XML: {error}", where=f"format {self._loaded.name}") from None
        leaves = [node for node in root.iter(etree.Element) if len(node) == 0]
        names = [etree.QName(node).localname for node in leaves]
        known = [(made.record.element, tuple(cell.name for cell in made.cells)) for _, made, _ in self._records]
        by_first: dict[str, list[tuple[str, tuple[str, ...]]]] = defaultdict(list)
        for element, fields in sorted(known, key=lambda record: -len(record[1])):
            if fields:
                by_first[fields[0].rpartition(":")[2]].append((element, fields))
        place = 0
        while place < len(leaves):
            for element, fields in by_first.get(names[place], []):
                part = leaves[place : place + len(fields)]
                plain = [name.rpartition(":")[2] for name in fields]
                parent = part[0].getparent()
                inside = parent is not None and etree.QName(parent).localname == element.rpartition(":")[2]
                if names[place : place + len(fields)] == plain and (not element or inside):
                    yield place, element, fields, [node.text or "" for node in part]
                    place += len(fields)
                    break
            else:
                place += 1

    def _json(self, text: str) -> Iterator[tuple[int, str, tuple[str, ...], list[str]]]:
        """Records of JSON: each an object that begins on a line with its first field."""
        decoder = json.JSONDecoder(parse_float=str, parse_int=str)
        known = {tuple(cell.name for cell in made.cells) for _, made, _ in self._records if made.cells}
        marks = {f"{{{json.dumps(fields[0], ensure_ascii=False)}:" for fields in known}
        for number, line in enumerate(self._split(text), start=1):
            for place in sorted(line.find(mark) for mark in marks):
                if place < 0:
                    continue
                try:
                    said, _ = decoder.raw_decode(line, place)
                except json.JSONDecodeError as error:
                    raise ExportError(f"line {number} of the file is no JSON: {error.msg}") from None
                if tuple(said) in known:
                    yield number, "", tuple(said), [_json_text(value) for value in said.values()]
                    break

    # --------------------------------------------------------------------------------------------- typed columns

    def _parquet(self, content: bytes) -> tuple[list[tuple[int, pl.DataFrame]], pl.DataFrame]:
        table = pl.read_parquet(io.BytesIO(content))
        ((number, made, reading),) = self._records
        texts = table.select(
            pl.col(name).cast(pl.String).fill_null("").alias(f"cell {n}") for n, name in enumerate(table.columns)
        )
        place = pl.int_range(pl.len(), dtype=pl.Int64)
        frame = texts.with_columns(row=place, line=place + 1, text=pl.lit(""))
        return [(number, _constant(frame, made, reading))], frame.select("row", "line", "text")

    def _xlsx(self, content: bytes) -> tuple[list[tuple[int, pl.DataFrame]], pl.DataFrame]:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        frames: list[tuple[int, pl.DataFrame]] = []
        every: list[pl.DataFrame] = []
        for first, sheet in enumerate(dict.fromkeys(sheet_of(made) for _, made, _ in self._records)):
            records = [record for record in self._records if sheet_of(record[1]) == sheet]
            columns = {number: places(made, self._loaded) for number, made, _ in records}
            width = max((place for of in columns.values() for place in of), default=1)
            rows = [
                (first * 2_000_000 + line, line, "", *(_cell_text(cell) for cell in _widened(row, width)))
                for line, row in enumerate(book[sheet].iter_rows(values_only=True), start=1)
            ]
            table = pl.DataFrame(rows, schema=_schema(width), orient="row")
            above = len(self._by_place.get(sheet, [])) if self._form.template is None else 0
            table = table.filter(pl.col("line") > above, pl.any_horizontal(pl.col("^cell .*$") != ""))
            for number, made, reading in records:
                cells = (pl.col(f"cell {of - 1}").alias(f"cell {n}") for n, of in enumerate(columns[number]))
                beside = [pl.col(f"cell {n}") == "" for n in range(width) if n + 1 not in columns[number]]
                own = table.filter(beside) if beside else table
                frame = _constant(own.select("row", "line", "text", *cells), made, reading)
                frames.append((number, frame if self._form.template is None else _below(frame, reading)))
            if self._form.template is None:
                every.append(table.select("row", "line", "text"))
        book.close()
        return frames, pl.concat(every) if every else _nothing()


def _below(frame: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """The rows of a sheet from the first one on whose amounts and dates are such: what a template has stands above."""
    typed = [slot for slot in reading.slots if slot.type in (Type.AMOUNT, Type.DATE)]
    cells = [(pl.col(f"cell {slot.cell}"), slot) for slot in typed]
    fits = [(cell == "") | ~slot.is_lacking(cell, 2) for cell, slot in cells]
    there = [cell != "" for cell, _ in cells]
    first = frame.filter(pl.all_horizontal(fits) & pl.any_horizontal(there))["row"].min() if typed else None
    return frame if first is None else frame.filter(pl.col("row") >= first)


def _widened(row: tuple[Any, ...], width: int) -> tuple[Any, ...]:
    return (*row[:width], *([None] * (width - len(row))))


def _cell_text(value: Any) -> str:
    """A cell of a sheet as a text: a day as ISO 8601, a number with a point."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return f"{Decimal(repr(value)):f}" if isinstance(value, float) else str(value)


def _json_text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _schema(cells: int) -> dict[str, Any]:
    named = {f"cell {number}": pl.String for number in range(cells)}
    return {"row": pl.Int64, "line": pl.Int64, "text": pl.String, **named}


def _nothing() -> pl.DataFrame:
    return pl.DataFrame(schema=_schema(0))


def _numbered(lines: list[str], before: int, start: int = 0) -> pl.DataFrame:
    place = pl.int_range(pl.len(), dtype=pl.Int64)
    return pl.DataFrame({"text": lines}, schema={"text": pl.String}).with_columns(
        row=place + start, line=place + 1 + before
    )


def _matched(raw: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """The lines that a text fits, its groups as cells."""
    pattern = reading.pattern or ""
    matching = raw.filter(pl.col("text").str.contains(pattern))
    return matching.with_columns(groups_of(reading))


def groups_of(reading: Reading) -> list[pl.Expr]:
    """The groups of a record that is one text, as cells."""
    groups = pl.col("text").str.extract_groups(reading.pattern or "")
    return [groups.struct.field(f"g{slot.cell}").fill_null("").alias(f"cell {slot.cell}") for slot in reading.slots]


def _constant(frame: pl.DataFrame, made: LoadedRecord, reading: Reading) -> pl.DataFrame:
    """The lines whose constant fields are those of the record, and whose required ones are there."""
    said = {slot.cell for slot in reading.slots}
    masks = [pl.col(f"cell {n}") != "" for n, cell in enumerate(made.cells) if cell.field.required and n in said]
    for number, constant in reading.constants.items():
        text = pl.col(f"cell {number}")
        field = made.cells[number].field if made.cells else None
        if field is not None and field.is_filled:
            is_left = field.align == "left"
            text = text.str.strip_chars_end(field.pad) if is_left else text.str.strip_chars_start(field.pad)
            constant = constant.rstrip(field.pad) if is_left else constant.lstrip(field.pad)  # noqa: PLW2901
        masks.append(text == constant)
    return frame.filter(masks) if masks else frame
