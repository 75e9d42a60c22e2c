"""The records of a file, in their order: the top, what comes per journal, entry, line and section, the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from pipeline.exports import columns
from pipeline.exports.entries import ENTRY
from pipeline.exports.expressions import AMOUNT, POLARS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.exports.entries import Shaped
    from pipeline.exports.format import LoadedFormat, LoadedRecord

#: where records stand that belong to one line: their own order comes after this
_JOURNAL_END, _JOURNAL_START, _ENTRY_START, _LINE, _ENTRY_END = -4_000, -3_000, -2_000, 0, 2_000


class Writer(Protocol):
    """What makes rows of a record into records of the file."""

    def records(self, made: LoadedRecord, rows: pl.DataFrame) -> pl.Series:
        """Returns a record for each row. Raises: ExportError naming the field and the row that does not fit."""
        ...


@dataclass
class Sums:
    """Lines, entries and amounts that were written."""

    lines: int = 0
    entries: int = 0
    debit: Decimal = field(default_factory=Decimal)
    credit: Decimal = field(default_factory=Decimal)

    def add(self, lines: pl.DataFrame, *, are_pairs: bool = False) -> None:
        """Adds those of lines. are_pairs: each stands on one side, and moves both."""
        self.lines += len(lines)
        if ENTRY in lines.columns:
            self.entries += lines[ENTRY].n_unique()
        if "debit" in lines.columns:  # payments have no sides
            debit, credit = total(lines["debit"]), total(lines["credit"])
            self.debit += debit + credit if are_pairs else debit
            self.credit += debit + credit if are_pairs else credit


def total(amounts: pl.Series) -> Decimal:
    """The sum of amounts, exactly."""
    return Decimal(str(amounts.sum() or 0))


@dataclass(frozen=True)
class Part:
    """What goes into one file, or into the files that are written together.

    facts: the columns of the file. lines: whole entries, where these are wanted. accounts: a row for each account that
    a record comes for. totals: what will be written. by_journal: the rows of the sheet of totals of a workbook.
    """

    facts: Mapping[str, Any]
    lines: Iterable[Shaped]
    accounts: pl.DataFrame | None
    totals: Sums
    by_journal: list[dict[str, Any]]


class Renderer:
    """Gives the records of one file, batch after batch; per key of `into`, those of each of its files."""

    def __init__(self, loaded: LoadedFormat, writer: Writer, facts: Mapping[str, Any]) -> None:
        self._loaded = loaded
        self._writer = writer
        self._facts = facts
        self._made = list(enumerate(loaded.records))
        self._reads = loaded.read_columns
        self._per_journal = any(made.record.per == "journal" for _, made in self._made)
        self._open: pl.DataFrame | None = None
        self._journal = Sums()
        #: what was written so far
        self.sums = Sums()
        beyond = self._reads & (columns.FILES.keys() - columns.LINES.keys())
        self._literals = [
            pl.lit(facts.get(name), POLARS[columns.FILES[name].type]).alias(name) for name in sorted(beyond)
        ]

    def start(self, accounts: pl.DataFrame | None, totals: Sums) -> dict[str, pl.Series]:
        """What stands on top. accounts: a row for each account that the file names; totals: what will be written."""
        made = []
        for rank, record in self._made:
            if record.record.per == "file" and record.record.place == "start":
                made.append((record, rank, self._of_file(record, totals)))
            elif record.record.per == "account" and accounts is not None:
                rows = self._chosen(record, self._with_facts(accounts))
                made.append((record, rank, self._writer.records(record, rows).unique().sort()))
        return _by_file([_Piece(record.record.into, _places(texts, rank), texts) for record, rank, texts in made])

    def _with_facts(self, accounts: pl.DataFrame) -> pl.DataFrame:
        """The accounts with the columns of the file beside their own."""
        of_file = sorted(columns.FILES.keys() - set(accounts.columns))
        return accounts.with_columns(
            pl.lit(self._facts.get(name), POLARS[columns.FILES[name].type]).alias(name) for name in of_file
        )

    def batch(self, shaped: Shaped) -> dict[str, pl.Series]:
        """The records of a batch of lines."""
        lines = self._counted(shaped.lines)
        if self._is_plain:
            ((_, record),) = [(rank, made) for rank, made in self._made if made.record.per == "line"]
            return {record.record.into: self._writer.records(record, self._chosen(record, lines))}
        lines = lines.with_row_index("_row")
        pieces: list[_Piece] = []
        before = None if self._open is None else self._open["journal_code"][0]
        if self._per_journal:
            pieces += self._journals(lines)
        for rank, record in self._made:
            rows, base = self._rows(record, lines, shaped.sections, before)
            if rows is None:
                continue
            rows = self._chosen(record, rows)
            if not rows.is_empty():
                place = rows.select(
                    pl.col("_row").cast(pl.Int64),
                    pl.lit(base + rank, pl.Int64).alias("rank"),
                    pl.int_range(pl.len(), dtype=pl.Int64).alias("sub"),
                )
                pieces.append(_Piece(record.record.into, place, self._writer.records(record, rows)))
        return _by_file(pieces)

    def end(self) -> dict[str, pl.Series]:
        """What stands below."""
        pieces = self._journal_end(0) if self._open is not None else []
        for rank, record in self._made:
            if record.record.per == "file" and record.record.place == "end":
                texts = self._of_file(record, self.sums)
                pieces.append(_Piece(record.record.into, _places(texts, rank), texts))
        return _by_file(pieces)

    @property
    def _is_plain(self) -> bool:
        """Whether each line is one record, and there is nothing between them."""
        return [made.record.per for _, made in self._made if made.record.per not in ("file", "account")] == ["line"]

    def _of_file(self, record: LoadedRecord, totals: Sums) -> pl.Series:
        known = {**columns.FILES, **columns.FILE_TOTALS}
        said = {
            **self._facts,
            "file_lines": totals.lines,
            "file_entries": totals.entries,
            "file_debit": totals.debit,
            "file_credit": totals.credit,
        }
        rows = pl.DataFrame(
            {name: [said.get(name)] for name in known},
            schema={name: POLARS[column.type] for name, column in known.items()},
        ).with_columns(pl.lit(self._facts.get("currency_digits", 2), pl.Int32).alias("currency_digits"))
        return self._writer.records(record, self._chosen(record, rows))

    @staticmethod
    def _chosen(record: LoadedRecord, rows: pl.DataFrame) -> pl.DataFrame:
        return rows if record.when is None else rows.filter(record.when.value)

    def _counted(self, lines: pl.DataFrame) -> pl.DataFrame:
        """The lines with what they are counted by, as far as it is read."""
        before = (self.sums.lines, self.sums.entries)
        self.sums.add(lines, are_pairs=self._loaded.format.shape == "pairs")
        made = list(self._literals)
        if "line_in_entry" in self._reads:
            made.append((pl.int_range(pl.len(), dtype=pl.Int64) + 1).over(ENTRY).alias("line_in_entry"))
        if "entry_lines" in self._reads:
            made.append(pl.len().over(ENTRY).cast(pl.Int64).alias("entry_lines"))
        made += [
            pl.col(side).sum().over(ENTRY).cast(AMOUNT).alias(f"entry_{side}")
            for side in ("debit", "credit")
            if f"entry_{side}" in self._reads
        ]
        if "entry_label" in self._reads:
            made.append(pl.col("label").sort_by("line_number").first().over(ENTRY).alias("entry_label"))
        made += [
            edge.over(ENTRY).alias(name)
            for name, edge in zip(
                columns.ENTRY_ACCOUNTS, (pl.col("account").first(), pl.col("account").last()), strict=True
            )
            if name in self._reads
        ]
        if "line_in_file" in self._reads:
            made.append((pl.int_range(pl.len(), dtype=pl.Int64) + (1 + before[0])).alias("line_in_file"))
        if "entry_in_file" in self._reads:
            changes = (pl.col(ENTRY) != pl.col(ENTRY).shift()).fill_null(value=True)
            made.append((changes.cast(pl.Int64).cum_sum() + before[1]).alias("entry_in_file"))
        return lines.with_columns(made) if made else lines

    def _rows(
        self, record: LoadedRecord, lines: pl.DataFrame, sections: pl.DataFrame | None, journal: str | None
    ) -> tuple[pl.DataFrame | None, int]:
        """The rows that a record comes for, and where it stands among those of the same line.

        journal: of the line before the first one.
        """
        per, place = record.record.per, record.record.place
        if per == "line":
            return lines, _LINE
        if per == "section" and sections is not None:
            return lines.join(sections, on="_line", how="inner", maintain_order="left_right"), _LINE
        if per == "entry":
            other = pl.col(ENTRY).shift(1 if place == "start" else -1)
            edges = lines.filter((pl.col(ENTRY) != other).fill_null(value=True))
            return edges, _ENTRY_START if place == "start" else _ENTRY_END
        if per == "journal" and place == "start":
            other = pl.col("journal_code").shift(1, fill_value=journal)
            return lines.filter(pl.col("journal_code").ne_missing(other)), _JOURNAL_START
        return None, 0

    def _journals(self, lines: pl.DataFrame) -> list[_Piece]:
        """The ends of the journals that a batch ends; the last one of it stays open."""
        pieces: list[_Piece] = []
        runs = lines["journal_code"].rle_id()
        for part in lines.with_columns(runs.alias("_run")).partition_by("_run", maintain_order=True, include_key=False):
            if self._open is not None and self._open["journal_code"][0] != part["journal_code"][0]:
                pieces += self._journal_end(part["_row"][0])
                self._journal = Sums()
            self._journal.add(part, are_pairs=self._loaded.format.shape == "pairs")
            self._open = part.tail(1)
        return pieces

    def _journal_end(self, row: int) -> list[_Piece]:
        assert self._open is not None  # noqa: S101 - its caller has looked
        totals = {"lines": self._journal.lines, "debit": self._journal.debit, "credit": self._journal.credit}
        rows = self._open.with_columns(
            pl.lit(value, pl.Int64 if name == "lines" else AMOUNT).alias(f"journal_{name}")
            for name, value in totals.items()
        )
        pieces = []
        for rank, record in self._made:
            if record.record.per == "journal" and record.record.place == "end":
                texts = self._writer.records(record, self._chosen(record, rows))
                pieces.append(_Piece(record.record.into, _places(texts, _JOURNAL_END + rank, row), texts))
        return pieces


@dataclass(frozen=True)
class _Piece:
    """Records, and where each stands: place has a row for each, its line, its rank there, and its own number."""

    into: str
    place: pl.DataFrame
    texts: pl.Series


def _places(texts: pl.Series, rank: int, row: int = 0) -> pl.DataFrame:
    return pl.select(
        pl.repeat(row, len(texts), dtype=pl.Int64).alias("_row"),
        pl.repeat(rank, len(texts), dtype=pl.Int64).alias("rank"),
        pl.int_range(len(texts), dtype=pl.Int64).alias("sub"),
    )


def _by_file(pieces: list[_Piece]) -> dict[str, pl.Series]:
    """The records of each file, in their order."""
    made: dict[str, list[pl.DataFrame]] = {}
    for piece in pieces:
        made.setdefault(piece.into, []).append(piece.place.with_columns(piece.texts.alias("text")))
    return {into: pl.concat(frames).sort("_row", "rank", "sub")["text"] for into, frames in made.items()}
