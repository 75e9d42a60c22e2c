"""The sample group and its three monthly batches, of any size, the same bytes for the same seed."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from pipeline.sample.advances import advances
from pipeline.sample.allocations import allocations
from pipeline.sample.draws import Draws
from pipeline.sample.expenses import expense_lines
from pipeline.sample.given import given_rows
from pipeline.sample.group import Group
from pipeline.sample.reports import MONTHS, REPORTS_A_MONTH, report_versions
from pipeline.sample.taxes import expense_taxes
from pipeline.sample.write import TableWriter, make_directory
from schemas import MOVEMENTS, REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import polars as pl

#: how many reports are made at a time; what a larger sample costs in memory does not grow with it
REPORTS_PER_SLICE = 20_000


def write_sample(out: Path, *, seed: int = 1, scale: int = 1, parquet: bool = False) -> list[Path]:
    """Writes the sample group: reference/ and batch-1..3/, a month each.

    `scale` multiplies employees (60) and reports (400 a month). The same seed, scale and kind of file give the same
    bytes, on any machine. Out: the files written, by path. Raises: UsageError where `out` cannot be a directory.
    """
    group = Group(Draws(seed), scale)
    written = []
    tables = group.reference()
    for name, model in REFERENCE.items():
        if name not in tables:
            continue
        with TableWriter(make_directory(out / "reference"), name, model, parquet=parquet) as table:
            table.write(tables[name])
        written.append(table)
    for batch in range(1, len(MONTHS) + 1):
        directory = make_directory(out / f"batch-{batch}")
        with ExitStack() as stack:
            writers = {
                name: stack.enter_context(TableWriter(directory, name, model, parquet=parquet))
                for name, model in MOVEMENTS.items()
            }
            for rows in _movements(group, batch):
                for name, frame in rows.items():
                    writers[name].write(frame)
        written += writers.values()
    return sorted(table.path for table in written if table.row_count)


def _movements(group: Group, batch: int) -> Iterator[dict[str, pl.DataFrame]]:
    """The rows of a batch, slice after slice: those written by hand, then what each month up to now brings."""
    yield given_rows(f"batch-{batch}")
    for month in range(1, batch + 1):
        yield {"advances": advances(group, month, batch)}
        last = group.scale * REPORTS_A_MONTH
        for start in range(1, last + 1, REPORTS_PER_SLICE):
            versions = report_versions(group, month, batch, start, min(start + REPORTS_PER_SLICE, last + 1))
            expenses = expense_lines(group, versions)
            yield {
                "expense_reports": versions,
                "expenses": expenses,
                "expense_taxes": expense_taxes(group, expenses),
                "allocations": allocations(group, expenses),
            }
