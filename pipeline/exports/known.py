"""What the ledger knows of the company: the reference tables as of the session's run, with what they no longer have.

An export gives the same bytes years later, and names an employee who has left or an account that the chart has lost, so
it reads what the runs kept and not the reference tables of today.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.sql import identifier
from schemas import REFERENCE
from schemas.currencies import currencies
from schemas.table import columns

if TYPE_CHECKING:
    from pipeline.sql import Session

#: the tables read, and the columns of which the last row is the one that counts
_LAST_BY = {
    "legal_entities": ("legal_entity",),
    "bank_accounts": ("legal_entity", "bank_account"),
    "employees": ("employee",),
    "sections": ("axis", "section"),
    "section_names": ("axis", "section", "language"),
    "journals": ("legal_entity", "journal", "code"),
    "chart_of_accounts": ("legal_entity", "role", "key", "employee", "account"),
}


def attach_known(session: Session) -> None:
    """Makes the tables that an export reads of the reference, each with `known_run`, the last run that had the row.

    session: with the stored kinds attached, as of the export's run.
    """
    for table, key in _LAST_BY.items():
        session.create(table, _rows(table, key))
    session.register("currencies", currencies())


def _rows(table: str, key: tuple[str, ...]) -> str:
    cells = ", ".join(
        f"json_extract_string(row_json, '$.{column.name}')::{column.duckdb_type} as {identifier(column.name)}"
        for column in columns(REFERENCE[table])
    )
    names = ", ".join(identifier(name) for name in key)
    return f"""
        with known_rows as (
            select {cells}, run as known_run from stored_reference where table_name = '{table}'
        )
        select * from known_rows
        qualify row_number() over (partition by {names} order by known_run desc) = 1
    """
