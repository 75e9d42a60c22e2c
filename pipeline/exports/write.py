"""Rows to files: the writer of each kind, and the file that appears whole."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.errors import ExportError, FormatError
from pipeline.exports import columns
from pipeline.exports.ahead import Behind, ahead
from pipeline.exports.cells import byte_order_mark, encoded
from pipeline.exports.description import TEXTS
from pipeline.exports.entries import ENTRY, Axes, Corrections, Shaped, coded, shaped
from pipeline.exports.expressions import POLARS
from pipeline.exports.render import Part, Renderer, Sums, Writer, total
from pipeline.exports.write_delimited import Delimited
from pipeline.exports.write_fixed import Fixed, Lines
from pipeline.exports.write_tagged import Tagged
from pipeline.exports.write_workbook import write_workbook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from pipeline.exports.expressions import Typed
    from pipeline.exports.format import LoadedFormat

_HEAD = 4_096
#: in bytes: with the dot and the ending of a file that is still written, a name has at most 255
_LONGEST_NAME = 200
_LONGEST_ENDING = 10
_DIGEST = 8


@dataclass(frozen=True)
class File:
    """A file of an export. head: its first bytes. path: where it is; none for what a preview only shows."""

    name: str
    size: int
    sha256: str
    head: bytes
    path: Path | None = None
    _content: bytes = b""

    @property
    def content(self) -> bytes:
        """All of it."""
        return self._content if self.path is None else self.path.read_bytes()


class Sink:
    """A file while it is written: into a folder under a name that nobody looks for, or into memory for a preview.

    keep: without it and without a folder, what is written is counted and forgotten.
    """

    def __init__(self, folder: Path | None, name: str, *, keep: bool = True) -> None:
        self.name = name
        self._is_kept = keep or folder is not None
        self._path = None if folder is None else folder / f".{name}.writing"
        self._target: BinaryIO = io.BytesIO() if self._path is None else self._path.open("wb")
        self._digest = hashlib.sha256()
        self._size = 0
        self._head = b""

    def write(self, data: bytes) -> int:
        """Adds bytes."""
        if len(self._head) < _HEAD:
            self._head += bytes(data[: _HEAD - len(self._head)])
        self._digest.update(data)
        self._size += len(data)
        return self._target.write(data) if self._is_kept else len(data)

    def flush(self) -> None:
        """Does nothing: bytes are made durable when the file is closed."""

    def close(self) -> None:
        """Makes what was written durable, under its hidden name still."""
        if self._path is not None and not self._target.closed:
            self._target.flush()
            os.fsync(self._target.fileno())
            self._target.close()

    def put(self) -> File:
        """Gives the file its name: it appears whole, in place of what had that name."""
        self.close()
        if self._path is None:
            return self.file()
        path = self._path.with_name(self.name)
        self._path.replace(path)
        return self.file(path)

    def file(self, path: Path | None = None) -> File:
        """What was written."""
        content = self._target.getvalue() if isinstance(self._target, io.BytesIO) else b""
        return File(self.name, self._size, self._digest.hexdigest(), self._head, path, content)

    def discard(self) -> None:
        """Forgets what was written. Where the folder lets nobody do so, what went wrong before is what is told."""
        with suppress(OSError):
            self._target.close()
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Group:
    """Lines that go into files of their own: all of them, or those of a fiscal year, month or journal.

    facts: the columns of the files. totals: by journal, for the sheet of a workbook. sums: of its lines. batches: gives
    the lines, in the format's order, as often as it is asked. accounts: a row for each account among them.
    """

    facts: dict[str, Any]
    totals: list[dict[str, Any]]
    sums: Sums
    batches: Callable[[], Iterable[pl.DataFrame]]
    accounts: Callable[[], pl.DataFrame | None] = lambda: None


class Files:
    """The files of an export while they are written. keep: without it they are counted and forgotten."""

    def __init__(self, loaded: LoadedFormat, out: Path | None, axes: Axes, *, keep: bool = True) -> None:
        self._loaded = loaded
        self._out = out
        self._axes = axes
        self._keep = keep
        self._part = 0
        #: the files, each closed; what was written into it; what rounding has added
        self.sinks: list[Sink] = []
        self.sums: dict[str, Sums] = {}
        self.corrections = Corrections()

    def files(self) -> list[File]:
        """What was written."""
        return [sink.file() for sink in self.sinks]

    def write(self, group: Group) -> None:
        """Writes the files of a group.

        Raises: ExportError naming the field and the row of a value that does not fit or cannot be encoded.
        """
        form = self._loaded.format
        limited = form.max_lines is not None or form.max_entries is not None
        wants_totals = columns.FILE_TOTALS.keys() & self._loaded.read_columns
        plan = (self._plan(group) or [Sums()]) if limited or wants_totals else [group.sums]
        accounts = group.accounts()  # before a line is read: the ledger gives one answer at a time
        accounts = None if accounts is None else coded(accounts, self._loaded.codes).unique().sort(pl.all())
        lines = self._shaped(group)
        parts = _parts(lines, [part.entries for part in plan]) if len(plan) > 1 else [lines]
        for held, sums in zip(parts, plan, strict=True):
            self._part += 1
            part = Part({**group.facts, "part": self._part}, held, accounts, sums, group.totals)
            names, written = self.write_part(part)
            if not self._loaded.wants_entries:  # nobody has counted them
                written.entries = group.sums.entries
            self.sums |= dict.fromkeys(names, written)

    def _shaped(self, group: Group) -> Iterator[Shaped]:
        return shaped(self._loaded, ahead(group.batches()), self._axes, self.corrections)

    def _plan(self, group: Group) -> list[Sums]:
        """What each file of the group will hold; no entry is cut. Raises: ExportError for one that is too long."""
        form = self._loaded.format
        sides = [pl.col("debit"), pl.col("credit")]
        if form.shape == "pairs":  # each stands on one side, and moves both
            sides = [(sides[0] + sides[1]).alias(name) for name in ("debit", "credit")]
        counted = (
            batch.lines.group_by(ENTRY, maintain_order=True).agg(
                pl.len().cast(pl.Int64).alias("lines"), *(side.sum() for side in sides)
            )
            for batch in shaped(self._loaded, group.batches(), self._axes, Corrections())
        )
        entries = pl.concat(list(counted))
        lines = entries["lines"].cum_sum()
        start, plan = 0, []
        while start < len(entries):
            before = lines[start - 1] if start else 0
            end = len(entries)
            if form.max_lines is not None:
                end = int(lines.search_sorted(before + form.max_lines, side="right"))
            if form.max_entries is not None:
                end = min(end, start + form.max_entries)
            if end == start:
                raise ExportError(
                    f"an entry has {entries['lines'][start]} lines, a file of this format at most {form.max_lines}",
                    where=f"format {self._loaded.name}",
                    mend='merge its lines in the profile: [merge] charges = "account", vat = "code"',
                )
            part = entries[start:end]
            plan.append(Sums(int(part["lines"].sum()), len(part), total(part["debit"]), total(part["credit"])))
            start = end
        return plan

    def write_part(self, part: Part) -> tuple[list[str], Sums]:
        """Writes the file of a part, or the files that are written together; returns their names and what is in them.

        Raises: ExportError as write does.
        """
        if self._loaded.format.kind in TEXTS:
            return self._write_texts(part)
        sink = self.open(evaluate(self._loaded.file, part.facts))
        written = write_workbook(self._loaded, part, sink)
        sink.close()
        return [sink.name], written

    def names(self, facts: Mapping[str, Any]) -> dict[str, str]:
        """The names of the files that records go into, by their key; of those that are packed, within the archive."""
        has_main = any(not made.record.into for made in self._loaded.records)
        names = {"": self._loaded.file} if has_main and self._loaded.format.pack != "zip" else {}
        return {into: evaluate(name, facts) for into, name in {**names, **self._loaded.files}.items()}

    def _write_texts(self, part: Part) -> tuple[list[str], Sums]:
        is_packed = self._loaded.format.pack is not None
        sinks = {
            into: Sink(None, name) if is_packed else self.open(name) for into, name in self.names(part.facts).items()
        }
        renderer = Renderer(self._loaded, _WRITERS[self._loaded.format.kind](self._loaded), part.facts)
        for sink in sinks.values():
            sink.write(byte_order_mark(self._loaded))

        def put(records: dict[str, pl.Series]) -> None:
            for into, texts in records.items():
                sinks[into].write(encoded(self._loaded, texts))

        with Behind() as behind:
            behind.do(partial(put, renderer.start(part.accounts, part.totals)))
            for shaped_batch in part.lines:
                behind.do(partial(put, renderer.batch(shaped_batch)))
            behind.do(partial(put, renderer.end()))
        if self._loaded.format.pack is not None:
            archive = self.open(evaluate(self._loaded.file, part.facts))
            _pack(self._loaded.format.pack, sinks.values(), archive)
            sinks = {"": archive}
        for sink in sinks.values():
            sink.close()
        return [sink.name for sink in sinks.values()], renderer.sums

    def open(self, name: str) -> Sink:
        """A file under its name; the parts of one that has no number in its name get one."""
        name = safe_name(name)
        taken = {sink.name for sink in self.sinks}
        if name in taken and self._part > 1 and self._loaded.format.split_by is None:
            stem, dot, ending = name.rpartition(".")
            name = f"{stem}-{self._part}{dot}{ending}" if stem else f"{name}-{self._part}"
        if name in taken:
            raise FormatError(f"two files would be called {name}", where=f"format {self._loaded.name}, file")
        sink = Sink(self._out, name, keep=self._keep)
        self.sinks.append(sink)
        return sink


_WRITERS: dict[str, Callable[[LoadedFormat], Writer]] = {
    "delimited": Delimited,
    "fixed": Fixed,
    "text": Lines,
    "xml": Tagged,
    "json": Tagged,
}


def _parts(batches: Iterable[Shaped], counts: list[int]) -> Iterator[Iterator[Shaped]]:
    """The batches cut between entries, so many entries a part."""
    rest = iter(batches)
    held: list[Shaped] = []

    def part(count: int) -> Iterator[Shaped]:
        while count:
            batch = held.pop() if held else next(rest)
            ids = batch.lines[ENTRY].unique(maintain_order=True)
            if len(ids) > count:
                border = ids[count]
                held.append(Shaped(batch.lines.filter(pl.col(ENTRY) >= border), batch.sections))
                batch = Shaped(batch.lines.filter(pl.col(ENTRY) < border), batch.sections)
                ids = ids[:count]
            count -= len(ids)
            yield batch

    for count in counts:
        yield part(count)


def _pack(how: str, members: Iterable[Sink], archive: Sink) -> None:
    """Packs files into one, the same bytes for the same files."""
    if how == "gzip":
        for member in members:
            with gzip.GzipFile("", "wb", fileobj=archive, mtime=0) as packed:
                packed.write(member.file().content)
        return
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed_files:
        for member in members:
            named = zipfile.ZipInfo(member.name, (1980, 1, 1, 0, 0, 0))
            packed_files.writestr(named, member.file().content, zipfile.ZIP_DEFLATED)
    archive.write(buffer.getvalue())


def write_payments(loaded: LoadedFormat, payments: pl.DataFrame, facts: dict[str, Any], sink: Sink) -> None:
    """Writes the payments of an order. Raises: ExportError naming the payment and what does not fit."""
    renderer = Renderer(loaded, _WRITERS[loaded.format.kind](loaded), facts)
    sink.write(byte_order_mark(loaded))
    for records in (renderer.start(None, Sums()), renderer.batch(Shaped(payments)), renderer.end()):
        for texts in records.values():
            sink.write(encoded(loaded, texts))


def file_name(loaded: LoadedFormat, facts: Mapping[str, Any]) -> str:
    """The name of a file, such as every file system takes it."""
    return safe_name(evaluate(loaded.file, facts))


def safe_name(name: str) -> str:
    """A name without what a file system might not take; two names never become one.

    Where something is replaced or cut, a digest of the whole name stands for it: order A/1 is not order A_1.
    """
    plain = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in name).strip(". ") or "export"
    if plain == name and len(plain.encode()) <= _LONGEST_NAME:
        return plain
    stem, dot, ending = plain.rpartition(".")
    if not stem or len(ending) > _LONGEST_ENDING:
        stem, dot, ending = plain, "", ""
    stem = stem.encode()[: _LONGEST_NAME - _LONGEST_ENDING - _DIGEST - 2].decode(errors="ignore")
    return f"{stem}-{hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]}{dot}{ending}"


def evaluate(text: Typed, facts: Mapping[str, Any]) -> str:
    """A text about the file itself."""
    row = pl.DataFrame(
        {name: [facts.get(name)] for name in columns.FILES},
        schema_overrides={name: POLARS[column.type] for name, column in columns.FILES.items()},
    )
    return str(row.with_columns(text.value.alias("made"))["made"][0])
