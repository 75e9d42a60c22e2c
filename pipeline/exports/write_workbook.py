"""Files of typed columns: workbooks and Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.exports.render import Sums
from pipeline.exports.write_parquet import write_parquet
from pipeline.exports.write_xlsx import write_xlsx

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import BinaryIO

    from pipeline.exports.entries import Shaped
    from pipeline.exports.format import LoadedFormat
    from pipeline.exports.write import Group, Sink


def write_workbook(
    loaded: LoadedFormat, batches: Iterable[Shaped], facts: Mapping[str, Any], group: Group, sink: Sink
) -> Sums:
    """Writes the lines of a group to one file of typed columns; returns what was written."""
    sums = Sums()

    def counted() -> Iterator[Shaped]:
        for shaped in batches:
            sums.add(shaped.lines)
            yield shaped

    target: BinaryIO = sink  # type: ignore[assignment]  # it is written to and flushed, nothing else
    if loaded.format.kind == "parquet":
        write_parquet(loaded, counted(), target)
    else:
        write_xlsx(loaded, counted(), facts, group.totals, target)
    return sums
