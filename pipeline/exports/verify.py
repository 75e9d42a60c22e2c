"""Files held against the ledger: what a file says, read by the description of its format, and what it should say.

The lines of the file and those of the ledger are compared as multisets, on the columns that the format carries.
Amounts, dates and sides are values on both sides; a key (account, journal, document) is what the description makes of
it: translated, cut, in capitals.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from pipeline.errors import FormatError, UsageError
from pipeline.exports import columns, record
from pipeline.exports.cells import Texts, name
from pipeline.exports.description import TEXTS
from pipeline.exports.entries import ENTRY, Axes
from pipeline.exports.export import as_recorded
from pipeline.exports.expressions import AMOUNT, Type
from pipeline.exports.format import load_format, parse_format
from pipeline.exports.profile import Profile
from pipeline.exports.read_back import Back, groups_of, place_of, read_back, unpacked
from pipeline.exports.render import Part, Renderer, Sums
from pipeline.exports.slots import NO_YEAR, SIDE, Reading, Slot, has_year, plain, readings
from pipeline.exports.write import Files, evaluate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal
    from pathlib import Path

    from pipeline.exports.format import LoadedFormat, LoadedRecord
    from pipeline.ledger.store import Store

#: what is read of every line besides what the format names, to be compared and told
_NEEDED = frozenset(
    {
        "account",
        "auxiliary",
        "third_party",
        "side",
        "debit",
        "credit",
        "amount",
        "side_amount",
        "entry_date",
        "document_date",
        "currency_digits",
    }
)
#: what names a line of the ledger
_KEY = (*columns.KEYS["lines"], "document")
#: differences that are told, of how many there may be
_TOLD = 20
#: lines that are looked at for the nearest one
_NEAR = 2_000
_ACCOUNTS = ("account", "auxiliary", "posting_account", "contra_account", "contra_posting_account", "account_label")
_AMOUNTS = ("debit", "credit", "amount", "side_amount", "section_amount", "section_debit", "section_credit")
_ORDER = (
    *_ACCOUNTS,
    "contra_auxiliary",
    SIDE,
    "side_amount",
    "amount",
    "axis",
    "section",
    "section_amount",
    "entry_date",
    "document_date",
    "journal_code",
    "document",
    "entry_number",
)


@dataclass(frozen=True)
class Verification:
    """What came of it.

    compared: the columns. differences: sentences, the first of so many as `count` says. unwritten: lines of the ledger
    that the format has no record for.
    """

    files: list[str]
    lines: int
    entries: int
    debit: Decimal
    credit: Decimal
    compared: list[str]
    differences: list[str] = field(default_factory=list)
    count: int = 0
    unwritten: int = 0

    @property
    def agrees(self) -> bool:
        """Whether the files say what the ledger says."""
        return not self.count


def verify(
    store: Store,
    paths: list[Path],
    *,
    format_name: str | None = None,
    profile: Profile | None = None,
    number: int | None = None,
) -> Verification:
    """Reads files of an export back and holds them against the ledger as of the export's run.

    format_name, profile: in place of those recorded. number: the export; without it the one that wrote a file of that
    name. Raises: UsageError where no export did, ExportError where a file is not of its kind, FormatError.
    """
    number = number if number is not None else _export_of(store, paths)
    request, _ = record.request_of(record.record_of(store, number))
    recorded = Profile.model_validate(request.definition["profile"])
    if profile is None:
        profile = recorded if format_name is None else recorded.model_copy(update={"format": format_name})
        loaded = (
            parse_format(request.format, request.definition["format"], profile.wishes)
            if format_name is None
            else load_format(format_name, profile.wishes)
        )
    else:
        loaded = load_format(profile.format, profile.wishes)
    if loaded.format.of != "lines":
        raise UsageError(f"format {loaded.name} writes the payments of an order, and no lines of the ledger")
    settings = profile.settings
    with as_recorded(
        store,
        number,
        replace(loaded, beside=_NEEDED),
        profile,
        made_by=lambda form, axes: _Expected(form, axes, settings),
    ) as made:
        assert isinstance(made, _Expected)  # noqa: S101 - made_by says so
        parts = _asked(made.parts, paths)
        return _verified(made, parts)


def _export_of(store: Store, paths: list[Path]) -> int:
    """The export that wrote a file of the name of the first one; of several the one with its bytes, else the last."""
    path = paths[0]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    found = [
        (row["export_number"], files[path.name] == digest)
        for row in record.exports(store).iter_rows(named=True)
        if path.name in (files := record.files_of(row))
    ]
    if not found:
        raise UsageError(
            f"no export wrote a file of the name {path.name}", mend="name it: --export NUMBER; see `lettrage exports`"
        )
    return int(next((number for number, is_same in found if is_same), found[-1][0]))


# --------------------------------------------------------------------------------------- what the files should say


class _Collector:
    """Takes the rows that would be written, before they are texts."""

    def __init__(self, loaded: LoadedFormat, read: list[Reading]) -> None:
        self._loaded = loaded
        self._read = read
        self._texts = Texts(loaded)
        #: per record its rows; what stands on top and below, per place
        self.frames: dict[int, list[pl.DataFrame]] = defaultdict(list)
        self.heads: dict[str, list[int]] = defaultdict(list)
        self.tails: dict[str, list[int]] = defaultdict(list)
        #: the sides that a text of a record's cell stands for, and those that a record comes for
        self.sides: dict[tuple[int, int], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.comes_for: dict[int, set[str]] = defaultdict(set)
        self.digits = 2

    def records(self, made: LoadedRecord, rows: pl.DataFrame) -> pl.Series:
        number = next(n for n, other in enumerate(self._loaded.records) if other is made)
        nothing = pl.Series([str(n) for n in range(len(rows))], dtype=pl.String)
        if made.record.per in ("file", "account"):
            place = place_of(made, self._loaded)
            if made.record.per == "account":
                nothing = self._accounts(made, rows)
            ends = made.record.place == "end"
            (self.tails if ends else self.heads)[place] += [number] * nothing.n_unique()
            return nothing
        if not rows.is_empty() and (self._read[number].slots or made.record.per == "line"):
            self.frames[number].append(self._expected(number, made, rows))
        return nothing

    def _accounts(self, made: LoadedRecord, rows: pl.DataFrame) -> pl.Series:
        """The texts of records per account, which come once for each text."""
        if made.text is not None:
            return self._texts.line(made.text, made.place, rows)
        texts = self._texts.of(made, rows)
        frame = rows.select(pl.lit(given).alias(str(n)) for n, given in enumerate(texts))
        return frame.select(pl.concat_str(pl.all(), separator="\x00")).to_series()

    def _expected(self, number: int, made: LoadedRecord, rows: pl.DataFrame) -> pl.DataFrame:
        slots = self._read[number].slots
        keys = [slot for slot in slots if slot.type == Type.TEXT]
        texts = self._key_texts(number, made, rows, keys)
        wanted = {slot.name: pl.lit(texts[slot.cell]) for slot in reversed(keys)}
        wanted = {key: plain(_bare(value, slot)) for slot in keys for key, value in wanted.items() if key == slot.name}
        for slot in slots:
            if slot.type == Type.TEXT or slot.name not in rows.columns:
                continue
            value = pl.col(slot.name)
            if slot.type == Type.AMOUNT:
                value = (value.abs() if slot.is_size else value).fill_null(0).cast(AMOUNT)
            elif slot.type == Type.DATE and not has_year(slot.date):
                value = pl.date(NO_YEAR, value.dt.month(), value.dt.day())
            wanted[slot.name] = value.cast(pl.Int64) if slot.type == Type.NUMBER else value
        self._learn_sides(number, made, rows)
        said = [pl.col(key).alias(f"_{key}") for key in _KEY]
        beside = [pl.col(key) for key in (ENTRY,) if key in rows.columns]
        own = [
            pl.col(key).alias(f"_own_{key}")
            for key in ("account", "auxiliary", "third_party", "debit", "credit", "entry_date")
            if key in rows.columns
        ]
        return rows.select(*said, *beside, *own, *(value.alias(key) for key, value in wanted.items()))

    def _key_texts(
        self, number: int, made: LoadedRecord, rows: pl.DataFrame, keys: list[Slot]
    ) -> dict[int, pl.Series | str]:
        if not keys:
            return {}
        if made.text is not None:
            line = pl.DataFrame({"text": self._texts.line(made.text, made.place, rows)})
            groups = line.select(groups_of(self._read[number]))
            # A choice has groups of one name: what stands in one of them is the text.
            merged: dict[int, pl.Series | str] = {}
            for slot in keys:
                alike = [f"cell {other.cell}" for other in keys if other.name == slot.name]
                merged[slot.cell] = groups.select(pl.concat_str(alike)).to_series()
            return merged
        cells = tuple(made.cells[slot.cell] for slot in keys)
        return dict(zip((slot.cell for slot in keys), self._texts.of(replace(made, cells=cells), rows), strict=True))

    def _learn_sides(self, number: int, made: LoadedRecord, rows: pl.DataFrame) -> None:
        """What texts and records stand for: by the description, given the rows and the same on the other side."""
        asked = [slot for slot in self._read[number].slots if slot.name == SIDE and slot.sides is None and made.cells]
        is_told = {SIDE, "debit"} & self._read[number].names
        by_record = made.record.when is not None and not is_told and made.record.per in ("line", "section")
        if not asked and not by_record:
            return
        other = pl.col("side").replace_strict({"D": "C", "C": "D"}, default=None)
        turned = rows.with_columns(other.alias("side"), debit="credit", credit="debit", amount=-pl.col("amount"))
        for given in (rows, turned):
            if by_record and made.when is not None:
                self.comes_for[number] |= set(given.filter(made.when.value)["side"].drop_nulls())
            for slot in asked:
                cell = made.cells[slot.cell]
                text = plain(cell.typed.value.cast(pl.String).fill_null(""))
                for side, said in given.select("side", text.alias("text")).unique().iter_rows():
                    self.sides[number, slot.cell][said].add(side)

    def learned(self) -> list[Reading]:
        """The readings with the sides that texts turned out to stand for; a text that stands for both tells nothing."""
        made = []
        for number, reading in enumerate(self._read):
            slots = []
            for slot in reading.slots:
                if slot.name == SIDE and slot.sides is None:
                    texts = self.sides.get((number, slot.cell), {})
                    told = {text: next(iter(sides)) for text, sides in texts.items() if len(sides) == 1}
                    if len(told) == len(texts) and told:
                        slots.append(replace(slot, sides=told))
                else:
                    slots.append(slot)
            made.append(replace(reading, slots=tuple(slots)))
        return made


def _bare(text: pl.Expr, slot: Slot) -> pl.Expr:
    """A key without what fills its field up."""
    if slot.pad == " ":
        return text
    return text.str.strip_chars_end(slot.pad) if slot.align == "left" else text.str.strip_chars_start(slot.pad)


@dataclass
class _Part:
    """A file of the export, or the files that are written together. totals: what the ledger has of it."""

    names: list[str]
    collector: _Collector
    totals: Sums
    lines: pl.DataFrame
    contents: list[bytes] = field(default_factory=list)


class _Expected(Files):
    """The files of an export with what they should say in place of their bytes."""

    def __init__(self, loaded: LoadedFormat, axes: Axes, settings: Mapping[str, Any]) -> None:
        super().__init__(loaded, None, axes, keep=False)
        self.loaded = loaded
        self.readings = readings(loaded, settings)
        self.parts: list[_Part] = []

    def write_part(self, part: Part) -> tuple[list[str], Sums]:
        """Takes the lines of a part."""
        form = self.loaded.format
        is_one = form.pack is not None or form.kind not in TEXTS
        names = [evaluate(self.loaded.file, part.facts)] if is_one else [*self.names(part.facts).values()]
        names = [self.open(name).name for name in names]
        collector = _Collector(self.loaded, self.readings)
        collector.digits = int(part.facts["currency_digits"])
        renderer = Renderer(self.loaded, collector, part.facts)
        renderer.start(part.accounts, part.totals)
        keys = []
        for batch in part.lines:
            keys.append(batch.lines.select(_KEY))
            renderer.batch(batch)
        renderer.end()
        self.parts.append(_Part(names, collector, part.totals, pl.concat(keys)))
        return names, renderer.sums


def _asked(parts: list[_Part], paths: list[Path]) -> list[_Part]:
    """The parts that the files are, with their contents. Raises: UsageError where a file is none of them."""
    by_name = {path.name: path for path in paths}
    names = [name for part in parts for name in part.names]
    chosen = [part for part in parts if set(part.names) & by_name.keys()]
    if not chosen and len(paths) == len(names):  # files that were given other names, in their order
        by_name = dict(zip(names, paths, strict=True))
        chosen = parts
    strangers = [path.name for name, path in by_name.items() if name not in names]
    if strangers or not chosen:
        raise UsageError(
            f"{', '.join(strangers) or paths[0].name} is no file of the export",
            mend=f"it wrote {', '.join(names)}: give a file of that name, or all of them",
        )
    for part in chosen:
        missing = [name for name in part.names if name not in by_name]
        if missing:
            raise UsageError(f"the lines are in more than one file: {', '.join(missing)} is missing")
        part.contents = [by_name[name].read_bytes() for name in part.names]
    return chosen


# ----------------------------------------------------------------------------------------------------- comparison


def _verified(made: _Expected, parts: list[_Part]) -> Verification:
    differences: list[str] = []
    compared: dict[str, None] = {}
    count = unwritten = 0
    for part in parts:
        is_text = made.loaded.format.kind in TEXTS
        contents = unpacked(made.loaded, part.contents) if is_text else {"": part.contents[0]}
        learned = part.collector.learned()
        back = read_back(
            made.loaded, learned, contents, part.collector.heads, part.collector.tails, part.collector.digits
        )
        comparison = _Comparison(made.loaded, learned, part.collector, back)
        found, total = comparison.differences()
        unwritten += comparison.unwritten(part.lines)
        differences += found
        count += total
        compared |= dict.fromkeys(comparison.compared)
    totals = [part.totals for part in parts]
    return Verification(
        [name for part in parts for name in part.names],
        sum(len(part.lines) for part in parts) - unwritten,
        sum(total.entries for total in totals),
        sum((total.debit for total in totals[1:]), totals[0].debit),
        sum((total.credit for total in totals[1:]), totals[0].credit),
        sorted(compared, key=_rank),
        differences[:_TOLD],
        count,
        unwritten,
    )


def _rank(column: str) -> int:
    return _ORDER.index(column) if column in _ORDER else len(_ORDER)


class _Comparison:
    """The lines of a file, and those of the ledger."""

    def __init__(self, loaded: LoadedFormat, read: list[Reading], collector: _Collector, back: Back) -> None:
        self._loaded = loaded
        self._read = read
        self._collector = collector
        self._back = back
        self.compared: list[str] = []

    def differences(self) -> tuple[list[str], int]:
        """The sentences of the first differences, and how many there are."""
        unit = {"xml": "field", "xlsx": "row", "parquet": "row"}.get(self._loaded.format.kind, "line")
        said = [
            f"{unit} {found.line} of the file is no record of the format: {found.text!r}"
            for found in self._back.strangers[:_TOLD]
        ]
        count = len(self._back.strangers)
        for per in ("line", "section"):
            numbers = [n for n, made in enumerate(self._loaded.records) if made.record.per == per and self._says(n)]
            if not numbers:
                if per == "line" and not self._sections():
                    raise FormatError(
                        "no record says an account and an amount: it cannot be read back",
                        where=f"format {self._loaded.name}",
                        mend='say which column a field is: reads = "side_amount"',
                    )
                continue
            found, total = self._compared(numbers, unit)
            said += found
            count += total
        return said, count

    def unwritten(self, lines: pl.DataFrame) -> int:
        """How many lines stand in no record that is read."""
        per_line = [n for n, made in enumerate(self._loaded.records) if made.record.per == "line" and self._says(n)]
        frames = [frame for number in per_line for frame in self._collector.frames.get(number, [])]
        keys = [f"_{key}" for key in _KEY]
        written = pl.concat([frame.select(keys) for frame in frames]) if frames else None
        if written is None:
            return 0
        return len(lines.join(written.unique(), left_on=_KEY, right_on=keys, how="anti", nulls_equal=True))

    def _sections(self) -> bool:
        return any(
            made.record.per == "section" and self._says(number) for number, made in enumerate(self._loaded.records)
        )

    def _says(self, number: int) -> bool:
        """Whether a record says an amount, and an account or a section."""
        names = self._read[number].names
        amounts = {"debit", "credit", "amount", "side_amount", "section_amount", "section_debit", "section_credit"}
        return bool(names & amounts) and bool(names & {*_ACCOUNTS, "section"})

    def _compared(self, numbers: list[int], unit: str) -> tuple[list[str], int]:
        ledger = self._ledger(numbers)
        file = self._file(numbers)
        shown = [n for n in dict.fromkeys([*ledger.columns, *file.columns]) if n[0] != "_" and n != ENTRY]
        schema = {**dict(file.schema), **dict(ledger.schema)}
        lacking = [pl.lit(None, schema[n]).alias(n) for n in shown if n not in ledger.columns]
        ledger = ledger.with_columns(lacking)
        file = file.with_columns(pl.lit(None, schema[n]).alias(n) for n in shown if n not in file.columns)
        file = file.with_columns(pl.col(n).cast(ledger.schema[n]) for n in shown)
        self.compared += [n for n in shown if n not in self.compared and not n.startswith("again_")]
        file = _one_record(file, ledger, shown)
        again = pl.int_range(pl.len()).over(shown).alias("_again")
        ledger, file = ledger.with_columns(again), file.with_columns(again)
        key = [*shown, "_again"]
        missing = ledger.join(file, on=key, how="anti", nulls_equal=True).sort("_row")
        extra = file.join(ledger, on=key, how="anti", nulls_equal=True).sort("_row")
        extra = extra.filter(~pl.col("_row").is_in(self._headings(numbers)))
        said = self._totals(ledger, file)
        near = missing.head(_NEAR).to_dicts()
        said += [self._extra(row, near, shown, unit) for row in extra.head(_TOLD).iter_rows(named=True)]
        said += [
            f"{name(_key_of(row))}: {_line_text(row, shown)} is not in the file"
            for row in missing.head(_TOLD).iter_rows(named=True)
        ]
        return said, len(missing) + len(extra)

    def _headings(self, numbers: list[int]) -> pl.Series:
        """The rows that may be records of another kind as well: what the ledger has as no line of it is one."""
        others = [rows["row"] for number, rows in self._back.records.items() if number not in numbers]
        return pl.concat([pl.Series([], dtype=pl.Int64), *others]).unique()

    def _totals(self, ledger: pl.DataFrame, file: pl.DataFrame) -> list[str]:
        """Sums by journal that differ: they do not depend on the order of the lines."""
        if not {SIDE, "side_amount"} <= set(ledger.columns):
            return []
        by = ["journal_code"] if "journal_code" in ledger.columns else []

        def sums(lines: pl.DataFrame, label: str) -> pl.DataFrame:
            amount = pl.col("side_amount").cast(pl.Decimal(38, 4))
            wide = lines.with_columns(pl.lit("").alias("_all")).group_by(by or ["_all"])
            return wide.agg(
                amount.filter(pl.col(SIDE) == side).sum().alias(f"{label}_{side}") for side in ("D", "C")
            ).rename({"_all": "journal_code"} if not by else {})

        both = sums(ledger, "l").join(sums(file, "f"), on="journal_code", how="full", coalesce=True, nulls_equal=True)
        both = both.with_columns(pl.col("^[lf]_[DC]$").fill_null(0)).sort("journal_code")
        return [
            f"{'journal ' + str(row['journal_code']) if by else 'the file'}: {what} {_money(row['f_' + side])} in the "
            f"file, {_money(row['l_' + side])} in the ledger"
            for row in both.iter_rows(named=True)
            for side, what in (("D", "debit"), ("C", "credit"))
            if row[f"f_{side}"] != row[f"l_{side}"]
        ]

    def _extra(self, row: dict[str, Any], near: list[dict[str, Any]], shown: list[str], unit: str) -> str:
        nearest = max(near, key=lambda other: sum(row[n] == other[n] for n in shown), default=None)
        where = f"{unit} {row['_line']} of the file"
        beyond = ""
        if row["_again"]:
            beyond = " so often"
        if row["_lacking"]:
            return f"{where}: {_line_text(row, shown)}: {row['_lacking']}"
        told = ""
        if nearest is not None and any(row[n] == nearest[n] for n in shown):
            told = f" (nearest: {name(_key_of(nearest))}, {_line_text(nearest, shown)})"
        return f"{where}: {_line_text(row, shown)} is not in the ledger{beyond}{told}"

    # ------------------------------------------------------------------------------------------- the two sides

    def _ledger(self, numbers: list[int]) -> pl.DataFrame:
        frames = []
        for number in numbers:
            parts = self._collector.frames.get(number, [])
            if not parts:
                continue
            lines = pl.concat(parts)
            for other, made in enumerate(self._loaded.records):
                lines = self._inherited(lines, number, other, made)
            lines = _filled(lines, self._read[number].slots, by=ENTRY)
            frames.append(self._canonical(lines, number))
        if not frames:
            return pl.DataFrame(schema={"_row": pl.Int64, **{f"_{key}": pl.String for key in _KEY}})
        made_lines = pl.concat(frames, how="diagonal_relaxed").drop(ENTRY, strict=False)
        return made_lines.with_columns(_row=pl.int_range(pl.len(), dtype=pl.Int64))

    def _inherited(self, lines: pl.DataFrame, number: int, other: int, made: LoadedRecord) -> pl.DataFrame:
        """The lines with what the record of their entry or journal says of them."""
        wanted = self._headers(number, other, made)
        parts = self._collector.frames.get(other, [])
        names = [n for n in wanted if n not in lines.columns]
        if not names or not parts:
            return lines
        by = ENTRY if made.record.per == "entry" else "_journal_code"
        heads = pl.concat(parts).select(by, *names).unique(by, keep="first", maintain_order=True)
        return lines.join(heads, on=by, how="left", nulls_equal=True, maintain_order="left")

    def _headers(self, number: int, other: int, made: LoadedRecord) -> list[str]:
        """What a record per entry or journal says of the lines of another record, which does not say it itself."""
        if made.record.per not in ("entry", "journal"):
            return []
        own = self._read[number].names | {SIDE, *_ACCOUNTS}
        said = [slot.name for slot in self._read[other].slots if slot.type != Type.AMOUNT and slot.name not in own]
        return list(dict.fromkeys(said))

    def _file(self, numbers: list[int]) -> pl.DataFrame:
        frames = []
        for number in numbers:
            rows = self._back.records.get(number)
            if rows is None or rows.is_empty():
                continue
            lines = self._typed(rows, number)
            for other, made in enumerate(self._loaded.records):
                names = [n for n in self._headers(number, other, made) if n not in lines.columns]
                if names and other in self._back.records:
                    heads = self._typed(self._back.records[other], other).select("_row", *names)
                    lines = self._under(lines, heads, number, other, made)
            lines = _filled(lines, self._read[number].slots, by=None)
            frames.append(self._canonical(lines, number).with_columns(pl.lit(number).alias("_record")))
        if not frames:
            return pl.DataFrame(
                schema={
                    "_row": pl.Int64,
                    "_line": pl.Int64,
                    "_lacking": pl.String,
                    "_record": pl.Int32,
                }
            )
        return pl.concat(frames, how="diagonal_relaxed")

    def _under(
        self, lines: pl.DataFrame, heads: pl.DataFrame, number: int, other: int, made: LoadedRecord
    ) -> pl.DataFrame:
        """The lines with what the record above them says, or below them; in another file, that of the same entry."""
        mine = self._loaded.records[number]
        if place_of(mine, self._loaded) != place_of(made, self._loaded):
            shared = [n for n in ("entry_in_file", "entry_number") if n in lines.columns]
            full = self._typed(self._back.records[other], other)
            by = next((n for n in shared if n in full.columns), None)
            if by is None:
                return lines
            heads = full.select(by, *(n for n in heads.columns if n not in ("_row", by))).unique(by, keep="first")
            return lines.join(heads, on=by, how="left", maintain_order="left")
        strategy: Literal["backward", "forward"] = "backward" if made.record.place == "start" else "forward"
        return lines.sort("_row").join_asof(heads.sort("_row"), on="_row", strategy=strategy)

    def _typed(self, rows: pl.DataFrame, number: int) -> pl.DataFrame:
        """The texts of a record as values; `_lacking` says of which there is none."""
        digits = self._collector.digits
        slots = self._read[number].slots
        values: dict[str, list[pl.Expr]] = defaultdict(list)
        wrong = []
        for slot in slots:
            text = pl.col(f"cell {slot.cell}").fill_null("")
            values[slot.name].append(slot.typed(text, digits))
            if slot.type != Type.TEXT:
                what = {Type.AMOUNT: "amount", Type.DATE: "date", Type.NUMBER: "number"}.get(slot.type, "side")
                sentence = pl.concat_str(pl.lit(f"its {slot.name} '"), text, pl.lit(f"' is no {what}"))
                wrong.append(pl.when(slot.is_lacking(text, digits)).then(sentence))
        groups = self._read[number].pattern is not None
        chosen = [
            (pl.concat_str(found) if groups and _type_of(slots, key) == Type.TEXT else pl.coalesce(found)).alias(key)
            for key, found in values.items()
        ]
        lacking = pl.concat_str(wrong, separator=", ", ignore_nulls=True) if wrong else pl.lit("")
        return rows.select(
            pl.col("row").alias("_row"),
            pl.col("line").alias("_line"),
            lacking.alias("_lacking"),
            *chosen,
        )

    def _canonical(self, lines: pl.DataFrame, number: int) -> pl.DataFrame:
        """The lines with their amount in one way: on a side, where the record tells it, else as it stands."""
        names = self._read[number].names
        is_section = "section" in names and not names & set(_ACCOUNTS)
        debit, credit, own = (
            ("section_debit", "section_credit", "section_amount")
            if {"section_debit", "section_credit", "section_amount"} & names
            else ("debit", "credit", "side_amount")
        )
        side = self._side(number, debit, credit)
        size = self._size(number, side, debit, credit, own)
        lines = lines.with_columns(
            size.cast(AMOUNT).alias("_size"),
            (pl.lit("") if side is None else side).alias("_side"),
            *self._said_again(number, debit, credit, own),
        )
        lines = lines.drop([n for n in (*_AMOUNTS, SIDE) if n in lines.columns])
        amount = "section_amount" if is_section else "side_amount" if side is not None or own in names else "amount"
        lines = lines.rename({"_size": amount})
        if side is None:
            return lines.drop("_side")
        return lines.with_columns(pl.when(pl.col(amount) != 0).then(pl.col("_side")).alias(SIDE)).drop("_side")

    def _said_again(self, number: int, debit: str, credit: str, own: str) -> list[pl.Expr]:
        """The amounts and the side of lines that say them in more than one way: each is to be right."""
        reading = self._read[number]
        if not {debit, credit} & reading.names:
            again = {"amount"} if own in reading.names else set()
        else:
            again = {own, "amount"}
        made = [
            (pl.col(slot.name).abs() if slot.is_size else pl.col(slot.name)).alias(f"again_{slot.name}")
            for slot in reading.slots
            if slot.name in again and slot.is_column
        ]
        if SIDE in reading.names and {debit, credit} & reading.names:
            is_zero = pl.all_horizontal([pl.col(n) == 0 for n in (debit, credit) if n in reading.names])
            made.append(pl.when(~is_zero).then(pl.col(SIDE)).alias(f"again_{SIDE}"))
        return made

    def _side(self, number: int, debit: str, credit: str) -> pl.Expr | None:
        """The side of the lines of a record: of its amounts, its text, or all lines that it comes for."""
        names = self._read[number].names
        if {debit, credit} & names:
            d, c = (_or_zero(n, names) for n in (debit, credit))
            chosen = pl.when((d != 0) & (c == 0)).then(pl.lit("D")).when((c != 0) & (d == 0)).then(pl.lit("C"))
            return chosen.otherwise(None)
        implied = self._collector.comes_for.get(number, set())
        if SIDE in names:
            return pl.col(SIDE)
        return pl.lit(next(iter(implied))) if len(implied) == 1 else None

    def _size(self, number: int, side: pl.Expr | None, debit: str, credit: str, own: str) -> pl.Expr:
        """The amount of the lines of a record on their side; where none is told, as it stands."""
        names = self._read[number].names
        if {debit, credit} & names:
            unknown = pl.any_horizontal([pl.col(n).is_null() for n in (debit, credit) if n in names])
            both = _or_zero(debit, names) + _or_zero(credit, names)
            return pl.when(~unknown).then(both.cast(AMOUNT)).otherwise(None)
        if own in names:
            return pl.col(own)
        signed = pl.col("amount")
        is_size = any(slot.name == "amount" and slot.is_size for slot in self._read[number].slots)
        return signed if side is None or is_size else pl.when(side == "C").then(-signed).otherwise(signed)


def _or_zero(amount: str, names: frozenset[str]) -> pl.Expr:
    zero = pl.lit("0").cast(AMOUNT)
    return pl.col(amount).fill_null(zero) if amount in names else zero


def _type_of(slots: Iterable[Slot], key: str) -> Type:
    """The type of a column."""
    return next(slot.type for slot in slots if slot.name == key)


def _filled(lines: pl.DataFrame, slots: Iterable[Slot], by: str | None) -> pl.DataFrame:
    """What stands on the first line of an entry alone, on its other lines too."""
    made = []
    for slot in slots:
        if slot.once and slot.name in lines.columns:
            value = pl.col(slot.name)
            if slot.type == Type.TEXT:
                value = pl.when(value != "").then(value)
            filled = value.forward_fill()
            made.append((filled.over(by) if by is not None and by in lines.columns else filled).alias(slot.name))
    return lines.sort("_row").with_columns(made) if made and by is None else lines.with_columns(made)


def _one_record(file: pl.DataFrame, ledger: pl.DataFrame, shown: list[str]) -> pl.DataFrame:
    """One record for each line: of those that it may be the one that the ledger has, else the first."""
    if file.is_empty() or file["_row"].n_unique() == len(file):
        return file
    known = ledger.select(shown).unique().with_columns(pl.lit(value=True).alias("_known"))
    told = file.join(known, on=shown, how="left", nulls_equal=True, maintain_order="left")
    ranked = told.sort("_row", pl.col("_known").fill_null(value=False), "_record", descending=[False, True, False])
    return ranked.unique("_row", keep="first", maintain_order=True).drop("_known")


# ---------------------------------------------------------------------------------------------------- sentences


def _key_of(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: row[f"_{key}"] for key in _KEY}


def _line_text(row: Mapping[str, Any], shown: list[str]) -> str:
    """What a person knows a line by: account, amount, date and the rest."""
    said = [f"{n.replace('_', ' ')} {row[n]}" for n in _ACCOUNTS if n in shown and row[n]]
    side = {"D": "debit ", "C": "credit "}.get(row.get(SIDE) or "", "")
    amounts = [n for n in ("side_amount", "amount", "section_amount") if n in shown and row[n] is not None]
    if "section" in shown:
        said.append(f"section {row['section']}")
    said += [f"{side or 'amount '}{_money(row[n])}" for n in amounts]
    text = " ".join(said)
    if row.get("entry_date") is not None:
        day = row["entry_date"]
        text += f" of {day:%d %B}" if day.year == NO_YEAR else f" of {day}"
    said = [n for n in shown if n.startswith("again_") and row[n] is not None]
    text += "".join(f", {n.removeprefix('again_').replace('_', ' ')} {_plain(row[n])}" for n in said)
    rest = [
        f"{n.replace('_', ' ')} {row[n]}"
        for n in ("journal_code", "entry_number", "document", "document_date")
        if n in shown and row[n] is not None
    ]
    return f"{text} ({', '.join(rest)})" if rest else text


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else _money(value)


def _money(amount: Decimal) -> str:
    """An amount with two decimals, or as many as it has."""
    text = f"{amount:.4f}"
    return text[:-2] if text.endswith("00") else text.rstrip("0")


def as_dict(found: Verification) -> dict[str, Any]:
    """What came of it, for machines."""
    return {**asdict(found), "agrees": found.agrees}


def as_text(found: Verification) -> str:
    """What came of it, for a person."""
    compared = f"compared: {', '.join(n.replace('_', ' ') for n in found.compared)}"
    if found.unwritten:
        compared += f"\n{found.unwritten:,} lines of the ledger stand in no record of the format"
    if found.agrees:
        sums = "" if found.unwritten else f": debit {_money(found.debit)}, credit {_money(found.credit)}"
        return f"{found.lines:,} lines of {found.entries:,} entries agree{sums}\n{compared}"
    more = [f"… {found.count} lines differ in all"] if found.count > len(found.differences) else []
    return "\n".join([*found.differences, *more, compared])
