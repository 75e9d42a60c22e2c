"""Files of typed columns: workbooks and Parquet."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.exports.entries import ENTRY, Shaped
from pipeline.exports.render import Renderer
from pipeline.exports.write_parquet import write_parquet
from pipeline.exports.write_template import Filled, Parts
from pipeline.exports.write_xlsx import ENTRIES, Workbook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from pipeline.exports.format import LoadedFormat
    from pipeline.exports.render import Part, Sums
    from pipeline.exports.write import Sink

#: lines that are cells at a time
_SLICE = 10_000


def write_workbook(loaded: LoadedFormat, part: Part, sink: Sink) -> Sums:
    """Writes lines to one file of typed columns; returns what was written.

    Raises: ExportError naming the field and the row of a value that the format does not allow or no cell can hold, and
    where there are more rows than a sheet has.
    """
    target: BinaryIO = sink  # type: ignore[assignment]  # it is written to and flushed, nothing else
    if loaded.format.kind == "parquet":
        return write_parquet(loaded, part.lines, part.facts, target)
    return _write_xlsx(loaded, part, target)


def _write_xlsx(loaded: LoadedFormat, part: Part, target: BinaryIO) -> Sums:
    workbook: Workbook | Filled
    if loaded.template is not None:
        parts = Parts(loaded.template, f"format {loaded.name}, template")
        loaded = _by_sheet(loaded, next(iter(parts.sheets)))
        workbook = Filled(parts, loaded)
    else:
        loaded = _by_sheet(loaded, ENTRIES)
        workbook = Workbook(loaded, has_totals=loaded.format.totals_sheet and bool(part.by_journal))
    renderer = Renderer(loaded, workbook.writer, part.facts)
    try:
        for sheet, rows in renderer.start(part.accounts, part.totals).items():
            workbook.put(sheet, rows)
        for shaped in part.lines:
            for piece in _pieces(shaped):
                for sheet, rows in renderer.batch(piece).items():
                    workbook.put(sheet, rows)
        for sheet, rows in renderer.end().items():
            workbook.put(sheet, rows)
        if isinstance(workbook, Workbook) and loaded.format.totals_sheet:
            workbook.put_totals(part.by_journal)
    except BaseException:
        workbook.discard()
        raise
    workbook.close(target)
    return renderer.sums


def _by_sheet(loaded: LoadedFormat, first: str) -> LoadedFormat:
    """The format with its sheets as the files that its records go into: rows are ordered sheet by sheet.

    first: the sheet of records that name none.
    """
    sheets = [made.record.sheet or first for made in loaded.records]
    records = tuple(
        replace(made, record=made.record.model_copy(update={"sheet": sheet, "into": sheet}))
        for made, sheet in zip(loaded.records, sheets, strict=True)
    )
    return replace(loaded, records=records)


def _pieces(shaped: Shaped) -> Iterator[Shaped]:
    """A batch in pieces, cut between entries: a row of cells is long, and its lines are not."""
    lines = shaped.lines
    entries = lines[ENTRY] if ENTRY in lines.columns else None
    start = 0
    while start < len(lines):
        end = start + _SLICE
        if entries is not None and end < len(lines):
            end = int(entries.search_sorted(entries[end - 1], side="right"))
        yield Shaped(lines[start:end], shaped.sections)
        start = end
