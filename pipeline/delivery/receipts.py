"""What receivers have got, in the ledger: nothing that stands there is sent again unless someone asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.ledger import chain
from pipeline.ledger.reading import stored_frame
from pipeline.sql import Session
from schemas import STORED
from schemas.table import columns, validate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.ledger.store import Store

#: the channel of a row that a person vouches for
PERSON = "person"
SAID = "a person says that it has arrived"


def receipts(store: Store) -> pl.DataFrame:
    """Every file that a receiver has got, as the ledger has it: the columns of schemas.store.Deliveries, in order."""
    return stored_frame(store, "deliveries").sort("sequence")


def record(store: Store, rows: Sequence[dict[str, Any]]) -> int:
    """Adds receipts to the ledger in one commit; those of a delivery and file that it has are left out.

    rows: the columns of schemas.store.Deliveries without sequence. Returns how many were added. Raises: StoreBusyError.
    """
    with chain.writing(store) as writer, Session(store.place.readable_roots) as session:
        known = receipts(writer.store)
        there = set(known.select("delivery", "file").iter_rows())
        new = [row for row in rows if (row["delivery"], row["file"]) not in there]
        if not new:
            return 0
        last = int(str(known["sequence"].max() or 0))
        numbered = [{"sequence": last + number, **row} for number, row in enumerate(new, start=1)]
        frame = pl.DataFrame(numbered, schema=_schema(), orient="row")
        writer.write("deliveries", validate(frame, STORED["deliveries"]))
        said = {"lettrage.deliveries": f"{last + 1}-{last + len(new)}"}
        chain.commit(writer, session, what="delivered", run=None, metadata=said)
        return len(new)


def _schema() -> dict[str, Any]:
    return {column.name: column.polars_type for column in columns(STORED["deliveries"])}
