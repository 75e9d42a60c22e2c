"""Text to types, cell by cell: what a cell cannot say is kept as it stood, for the quarantine.

A staged table has the columns of its model, typed, and before them

    row_id     whole number, unique in the table: given once the rows of all origins are together
    origin     'batch', or 'waiting' for a row that waited in quarantine
    malformed  the cells that are not what their column asks for: (column_name, value) each, null where all are well

Dates, whole numbers and decimals are read as spec §2 writes them: no thousands separator, exponent or leading +,
trailing zeros do not count. What a currency allows is judged later, where the currency is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.sql import identifier
from schemas.table import Column, Form

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: whole digits and decimals that a form can hold (spec §2, "Precision"; §1 for DECIMAL(18, 4))
_DECIMALS = {
    Form.AMOUNT: (14, 4),
    Form.EXCHANGE_RATE: (10, 8),
    Form.RATE: (3, 3),
    Form.PERCENT: (3, 4),
}


def staged_query(relation: str, columns: Sequence[Column], types: Mapping[str, str], *, origin: str) -> str:
    """Selects the rows of `relation` with typed columns.

    relation: SQL that can stand after `from`. types: column → 'text' or the type that the relation's column has;
    columns that it lacks become null. Out: the columns of a staged table, the rows not numbered yet: row_id is 0.
    """
    given = [column for column in columns if column.name in types]
    parsed = [column for column in given if column.form is not Form.TEXT]
    source = ", ".join(
        f"{_as_text_or_native(column, types[column.name])} as {identifier(column.name)}" for column in given
    )
    typed = "".join(
        f", {_typed(column, types[column.name])} as {identifier('typed_' + column.name)}" for column in parsed
    )
    is_wrong = {
        column.name: f"({identifier(column.name)} is not null and {identifier('typed_' + column.name)} is null)"
        for column in parsed
    }
    cells = ", ".join(
        f"case when {is_wrong[column.name]} "
        f"then {{'column_name': '{column.name}', 'value': {_shown(column, types[column.name])}}} end"
        for column in parsed
    )
    wrong = " or ".join(is_wrong.values())
    malformed = f"case when {wrong} then list_filter([{cells}], lambda cell: cell is not null) end" if cells else "null"

    def result(column: Column) -> str:
        name = identifier(column.name)
        if column.name not in types:
            return f"null::{column.duckdb_type} as {name}"
        return name if column.form is Form.TEXT else f"{identifier('typed_' + column.name)} as {name}"

    return f"""
        with given as (select {source or "1 as nothing"} from {relation}),
        typed as (select *{typed} from given)
        select 0::bigint as row_id, '{origin}' as origin,
            ({malformed})::struct(column_name varchar, value varchar)[] as malformed,
            {", ".join(result(column) for column in columns)}
        from typed
    """


def _as_text_or_native(column: Column, given: str) -> str:
    """The cell as it stands: text with '' as null, or a native value that needs no parsing."""
    name = identifier(column.name)
    if _is_native(column, given):
        return name
    if given.upper().startswith("TIMESTAMP") and column.form is Form.DATE:
        # A spreadsheet's or a frame's day is often midnight of that day; any other time is no day.
        return (
            f"case when {name} = date_trunc('day', {name}) then strftime({name}, '%Y-%m-%d') else {name}::varchar end"
        )
    if given.upper().startswith("DECIMAL("):
        return f"shown({name})"
    return f"nullif({name}::varchar, '')"


def _shown(column: Column, given: str) -> str:
    """A cell that cannot be read, as the quarantine shows it: the same whatever kind of file it came from."""
    name = identifier(column.name)
    return (
        f"shown({name})" if _is_native(column, given) and given.upper().startswith("DECIMAL(") else f"{name}::varchar"
    )


def _is_native(column: Column, given: str) -> bool:
    kind = given.upper()
    if column.form is Form.DATE:
        return kind == "DATE"
    if column.form is Form.BOOLEAN:
        return kind == "BOOLEAN"
    if column.form in (Form.INTEGER, Form.BIGINT):
        return kind in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
    if column.form in _DECIMALS and kind.startswith("DECIMAL("):
        whole, decimals = _DECIMALS[column.form]
        precision, scale = (int(part) for part in kind[8:-1].split(","))
        return scale <= decimals and precision - scale <= whole
    return False


def _typed(column: Column, given: str) -> str:
    """The expression that is the cell's value, or null where it cannot be read as one."""
    name = identifier(column.name)
    if column.form in (Form.DATE, Form.BOOLEAN) and _is_native(column, given):
        return name
    value = f"try_cast({name} as {column.duckdb_type})"
    enumerated = ", ".join(f"'{known}'" for known in column.values)
    simple = {
        Form.ENUM: f"case when {name} in ({enumerated}) then {name} end",
        Form.BOOLEAN: f"case {name} when 'true' then true when 'false' then false end",
        # The year is a leap year, so that 02-29 is a day.
        Form.MONTH_DAY: f"case when regexp_full_match({name}, '[0-9]{{2}}-[0-9]{{2}}') "
        f"and try_cast('2024-' || {name} as date) is not null then {name} end",
        Form.DATE: f"case when regexp_full_match({name}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}') then {value} end",
    }
    if column.form in simple:
        return simple[column.form]
    if column.form in (Form.INTEGER, Form.BIGINT):
        # Versions and splits, the only whole numbers in movements, count from 1 (spec §2).
        is_written = "true" if _is_native(column, given) else f"regexp_full_match({name}, '[0-9]+')"
        return f"case when {is_written} and {value} >= 1 then {value} end"
    if column.form is Form.PERCENT:
        value = f"case when {value} > 0 then {value} end"
    if _is_native(column, given):
        return value
    decimals = _DECIMALS[column.form][1]
    return f"case when regexp_full_match({name}, '-?[0-9]+(\\.[0-9]{{1,{decimals}}}0*)?') then {value} end"
