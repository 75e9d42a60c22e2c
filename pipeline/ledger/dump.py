"""Writes the tables of spec §7 as Parquet files, the same bytes for the same ledger."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import polars as pl
import pyarrow.parquet as pq

from pipeline.ledger.reading import ledger_session, output_query
from schemas import LEDGER
from schemas.table import validate

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.ledger.store import Store

_SLICE = 500_000


def dump(store: Store, out: Path, *, run: int | None = None) -> list[tuple[str, int]]:
    """Writes every table as `<table>.parquet` into `out`, rows by key; returns the tables with their row counts.

    Each file appears whole. What is written is held to its model. Raises: InvariantError where it does not hold.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = []
    with ledger_session(store, run=run) as session:
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
