"""Writes the tables of spec §7 as Parquet files, the same bytes for the same ledger."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import polars as pl
import pyarrow.parquet as pq

from pipeline.ledger.as_of import NOW
from pipeline.ledger.reading import ledger_session, output_query
from schemas import LEDGER
from schemas.table import validate

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.ledger.as_of import AsOf
    from pipeline.ledger.store import Store

_SLICE = 500_000


def dump(store: Store, out: Path, *, as_of: AsOf = NOW) -> list[tuple[str, int]]:
    """Writes every table as `<table>.parquet` into `out`, rows by key; returns the tables with their row counts.

    as_of: the run and the day that the tables are of. Each file appears whole. What is written is held to its model.
    Raises: InvariantError where it does not hold, UsageError where the ledger has no such run.
    """
    written = []
    with ledger_session(store, as_of=as_of) as session:
        out.mkdir(parents=True, exist_ok=True)
        for table in LEDGER:
            path = out / f"{table}.parquet"
            beside = out / f".{table}.parquet.writing"
            rows = 0
            reader = session.con.sql(output_query(session, table)).to_arrow_reader(_SLICE)
            try:
                with pq.ParquetWriter(beside, reader.schema, compression="zstd") as writer:
                    for batch in reader:
                        validate(pl.DataFrame(batch), LEDGER[table])
                        writer.write_batch(batch)
                        rows += batch.num_rows
                with beside.open("rb") as file:
                    os.fsync(file.fileno())
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)
            written.append((table, rows))
    return written
