"""The reference tables as the ledger last saw them: what an export needs years later stands in the ledger itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.sql import identifier
from schemas import REFERENCE
from schemas.table import columns

if TYPE_CHECKING:
    import polars as pl

    from pipeline.sql import Session


def stored_reference(session: Session) -> dict[str, pl.DataFrame]:
    """Returns every reference table of spec §2 as of the session's run, typed as its model; empty where none was kept.

    session: with the stored kinds attached. A run keeps a table whole when it differs from what was kept last.
    """
    return {table: session.query(_rows(table)) for table in REFERENCE}


def _rows(table: str) -> str:
    cells = ", ".join(
        f"json_extract_string(row_json, '$.{column.name}')::{column.duckdb_type} as {identifier(column.name)}"
        for column in columns(REFERENCE[table])
    )
    return f"""
        select {cells} from stored_reference
        where table_name = '{table}' and run = (
            select arg_max(run, run) from stored_reference_digests where table_name = '{table}'
        )
    """
