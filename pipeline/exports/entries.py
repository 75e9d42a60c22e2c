"""From batches of lines to batches of whole entries, in the shape that the format wants them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl

from pipeline.errors import ExportError
from pipeline.exports import cells, columns, shape
from pipeline.exports.expressions import AMOUNT, mapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pipeline.exports.format import LoadedFormat

#: the id of an entry as it is written
ENTRY = "_entry"
#: what tells two entries apart, by merge.entries; a month is added where entries are gathered
_KEYS = {
    "entry": ("journal_code", "fiscal_year", "entry_number"),
    "document": ("journal_code", "fiscal_year", "document_kind", "document"),
    "employee_month": ("journal_code", "fiscal_year", "employee"),
    "journal_month": ("journal_code", "fiscal_year"),
}
#: what the shapes read, whatever the fields do
_SHAPED = frozenset({"side", "role", "account", "auxiliary", "currency", "debit", "credit", "amount", "side_amount"})


@dataclass(frozen=True)
class Shaped:
    """Whole entries as they are written. sections: a row per line (by its place in lines), axis and section."""

    lines: pl.DataFrame
    sections: pl.DataFrame | None = None


@dataclass(frozen=True)
class Axes:
    """The columns axis_<axis> that go out, in their order, and a row (axis, section, section_label) per section."""

    names: list[str]
    labels: pl.DataFrame


@dataclass
class Corrections:
    """What rounding has added, by account: debit positive."""

    by_account: dict[str, Decimal] = field(default_factory=dict)

    def add(self, exact: pl.DataFrame, rounded: pl.DataFrame) -> None:
        """Adds those of a batch."""
        for account, amount in shape.rounding_by_account(exact, rounded).iter_rows():
            self.by_account[account] = self.by_account.get(account, Decimal(0)) + amount


def wanted_columns(loaded: LoadedFormat, axes: list[str]) -> set[str]:
    """The columns of export_lines that a format reads, by its fields, its messages and its shape.

    axes: the columns axis_<axis> that the ledger has.
    """
    form = loaded.format
    wanted = {*columns.KEYS["lines"], "document", "debit", "credit"}
    beyond = columns.DERIVED.keys() | columns.SECTIONS.keys() | columns.FILE_TOTALS.keys()
    wanted |= {name.removeprefix(columns.CONTRA) for name in loaded.read_columns if name not in beyond}
    wanted -= columns.FILES.keys() - columns.LINES.keys()
    if "entry_label" in loaded.read_columns:
        wanted.add("label")
    if loaded.read_columns.intersection(columns.ENTRY_ACCOUNTS):
        wanted.add("account")
    if any(made.record.per == "section" for made in loaded.records):
        wanted |= {*_SHAPED, *axes}
    if form.shape != "lines" or form.rounding is not None or not form.merge.is_identity:
        wanted |= _SHAPED
        wanted |= {*shape.needed(form.merge, axes)}
        if {"foreign_amount", "foreign_currency"} & wanted:
            wanted |= {"foreign_amount", "foreign_currency"}
    if columns.CHARGE_VAT & loaded.read_columns:
        wanted |= {*shape.VAT_OF}
    if columns.COUNTERPARTS & loaded.read_columns:
        wanted |= {*shape.COUNTERPART_OF}
    if form.merge.entries != "entry" or not form.merge.is_identity:
        wanted |= {"entry_date", "journal_label", "document_kind", "employee", "label"}
    return wanted


def shaped(
    loaded: LoadedFormat, batches: Iterable[pl.DataFrame], axes: Axes, corrections: Corrections
) -> Iterator[Shaped]:
    """Gives the lines of a format in batches of whole entries, merged, paired and rounded as it says."""
    batches = (coded(batch, loaded.codes) for batch in batches)
    if not loaded.wants_entries:
        for batch in batches:
            yield Shaped(batch)
        return
    for batch in _whole(batches, loaded.format.merge.entries):
        yield _shape(loaded, batch, axes, corrections)


def coded(rows: pl.DataFrame, codes: Mapping[str, Mapping[str, str]]) -> pl.DataFrame:
    """The rows with a profile's codes in place of ours, where lines are merged by the column."""
    return rows.with_columns(
        pl.coalesce(mapped(pl.col(column), table), pl.col(column)).alias(column)
        for column, table in codes.items()
        if column in rows.columns
    )


def _whole(batches: Iterable[pl.DataFrame], gathered: str) -> Iterator[pl.DataFrame]:
    """Cuts the batches anew, between entries, and numbers the entries."""
    held: list[pl.DataFrame] = []  # of the last entry, which may go on
    for batch in batches:
        if batch.is_empty():
            continue
        before = held[-1].tail(1) if held else batch.head(0).with_columns(pl.lit(0, pl.Int64).alias(ENTRY))
        first = int(before[ENTRY][0]) if held else 0
        frame = pl.concat([before.drop(ENTRY), batch]).with_columns(_entry_ids(gathered, first))[len(before) :]
        last = frame[ENTRY][-1]
        if last > first or not held:
            ended = [*held, frame.filter(pl.col(ENTRY) < last)]
            if sum(map(len, ended)):
                yield pl.concat(ended)
            held = []
        held.append(frame.filter(pl.col(ENTRY) == last))
    if held:
        yield pl.concat(held)


def _entry_ids(gathered: str, first: int) -> pl.Expr:
    keys = [pl.col(name) for name in _KEYS[gathered]]
    if gathered != "entry":
        keys.append(pl.col("entry_date").dt.month_start())
    changed = pl.any_horizontal([key.ne_missing(key.shift()) for key in keys])
    is_first = pl.int_range(pl.len()) == 0
    return (first + pl.when(is_first).then(0).otherwise(changed.cast(pl.Int64)).cum_sum()).cast(pl.Int64).alias(ENTRY)


def _shape(loaded: LoadedFormat, batch: pl.DataFrame, axes: Axes, corrections: Corrections) -> Shaped:
    form = loaded.format
    if form.merge.entries != "entry":
        batch = _regrouped(batch)
    has_sections = any(made.record.per == "section" for made in loaded.records)
    lines, numbered = batch, None
    if not form.merge.is_identity or has_sections:
        numbered = shape.numbered(batch, form.merge, axes.names)
        lines = shape.merged(numbered)
        if not form.merge.is_identity:
            lines = _labelled(lines)
    if form.rounding is not None:
        exact = lines
        lines = shape.rounded(lines, form.rounding.decimals, form.rounding.mode)
        corrections.add(exact, lines)
    elif "rounding" in loaded.read_columns:
        lines = lines.with_columns(pl.lit(Decimal(0), AMOUNT).alias("rounding"))
    if form.shape == "pairs":
        lines = shape.paired(lines)
    if columns.CHARGE_VAT & loaded.read_columns:
        lines = _with_vat(loaded, lines)
    if columns.COUNTERPARTS & loaded.read_columns:
        lines = shape.with_counterparts(lines)
    if form.max_entry_lines is not None:
        _hold(loaded, lines, form.max_entry_lines)
    sections = None
    if has_sections and numbered is not None:
        decimals = None if form.rounding is None else form.rounding.decimals
        sections = _named(shape.sections(numbered, lines, axes.names, decimals), axes, loaded.codes)
    return Shaped(lines, sections)


def _named(sections: pl.DataFrame, axes: Axes, codes: Mapping[str, Mapping[str, str]]) -> pl.DataFrame:
    """The sections with their labels."""
    labels = axes.labels
    for axis, table in codes.items():
        theirs = pl.coalesce(mapped(pl.col("section"), table), pl.col("section"))
        labels = labels.with_columns(pl.when(pl.col("axis") == axis).then(theirs).otherwise("section").alias("section"))
    labels = labels.with_columns(pl.col("axis").str.strip_prefix(columns.AXIS))
    labels = labels.unique(["axis", "section"], keep="first", maintain_order=True)
    joined = sections.join(labels, on=["axis", "section"], how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("section_label", "section").alias("section_label"))


def _regrouped(batch: pl.DataFrame) -> pl.DataFrame:
    """Entries gathered to one: its number is the first one's, its day the last one's."""
    month = pl.col("entry_date").max().over(ENTRY).dt.strftime("%Y%m")
    whose = pl.when(pl.col("employee").n_unique().over(ENTRY) == 1).then("-" + pl.col("employee"))
    name = pl.concat_str(pl.col("journal_code"), pl.lit("-"), month, whose.fill_null(""))
    return batch.with_columns(
        pl.col("entry_number").min().over(ENTRY),
        pl.col("entry_date").max().over(ENTRY),
        pl.when(pl.col("document").n_unique().over(ENTRY) == 1).then("document").otherwise(name).alias("document"),
        *(
            pl.col(name).max().over(ENTRY)
            for name in ("document_date", "validated_on", "due_on")
            if name in batch.columns
        ),
    )


def _labelled(lines: pl.DataFrame) -> pl.DataFrame:
    """Merged lines of several labels are called after their journal and month."""
    month = pl.col("entry_date").dt.strftime("%m/%Y")
    journal = pl.coalesce(pl.col("journal_label"), pl.col("journal_code"))
    return lines.with_columns(
        pl.coalesce(pl.col("label"), pl.concat_str(journal, pl.lit(" "), month)).alias("label"),
        pl.coalesce(pl.col("document"), pl.col("journal_code")).alias("document"),
    )


def _with_vat(loaded: LoadedFormat, lines: pl.DataFrame) -> pl.DataFrame:
    """The lines with the VAT of charges. Raises: ExportError naming an entry whose VAT goes with no charge."""
    try:
        return shape.with_vat(lines)
    except ValueError:
        vat_alone = ~(pl.col("role") == "charge").fill_null(value=False).any().over(ENTRY)
        row = lines.filter(vat_alone & (pl.col("role") == "vat")).head(1).row(0, named=True)
        raise ExportError(
            "the entry has VAT and no charge that it goes with", where=f"format {loaded.name}, {cells.name(row)}"
        ) from None


def _hold(loaded: LoadedFormat, lines: pl.DataFrame, most: int) -> None:
    """Holds entries to the most lines that the package takes. Raises: ExportError naming one that has more."""
    counted = lines.with_columns(pl.len().over(ENTRY).alias("_lines")).filter(pl.col("_lines") > most)
    if not counted.is_empty():
        row = counted.row(0, named=True)
        raise ExportError(
            f"the entry has {row['_lines']} lines, the package takes {most}",
            where=f"format {loaded.name}, {cells.name(row)}",
            mend='merge its lines in the profile: [merge] charges = "account", vat = "code"',
        )
