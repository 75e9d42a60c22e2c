"""Raw tables in, judged tables and findings out (spec §2 and §3).

The tables that a run's later steps read, all in the given Session:

    staged_<table>     every row of the batch and of the quarantine, typed (see cast.py)
    document_rows      a row a row of a document: what it belongs to, and two hashes of what it says
    document_versions  a row a version of a document: what its rows say together
    document_fates     a row a document (versions.sql); row_fates: a row a row that is not judged (row_fates.sql)
    judged_<table>     the rows of documents that are judged; active_<table>: headers of those not cancelled
    attached_<table>   VAT rows and allocations of reports not cancelled whose expense is there; loose_<table>: is not
    placed_expenses    the judged expenses in their legal entity (expenses.sql)
    expense_splits     the splits of their charge, each with the number of its combination of sections
    borne_sections     the sections that the splits of a combination bear, named or inherited
    findings           rule, table_name, row_id, document_kind, document, version, row_key, column_name, value, message
    quarantined_documents   document_kind, document: what has a finding
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from pipeline.sql import batches, files_read, identifier
from pipeline.stage.cast import staged_query
from pipeline.stage.ibans import iban_table
from schemas import MOVEMENTS
from schemas.table import columns, key, validate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from pipeline.sql import Session
    from pipeline.tables import RawTable
    from schemas.table import Column

HERE = Path(__file__).parent
RULES = sorted((HERE / "rules").glob("*.sql"))

#: what is found out of the sections that splits name, in the order in which each reads the one before
SECTIONS = (
    "section_ancestors",
    "named_sections",
    "split_names",
    "combinations",
    "expense_splits",
    "brought_sections",
    "borne_sections",
)

#: how many rows are held to their model at a time, so that memory stays bounded
_SLICE = 250_000

#: from one row in how many that is not judged on the others are copied
_COPIED_FROM = 8

#: columns in which two versions may differ without a change of content (spec §3)
_NOT_CONTENT = {"version", "status", "label", "declared_on", "modified_on"}


@dataclass(frozen=True)
class Movement:
    """How the rows of a movement table belong to documents.

    document: the column that names the document. has_version: whether rows name its version. is_header: whether a row
    speaks for the document.
    """

    table: str
    document_kind: str
    document: str
    has_version: bool = True
    is_header: bool = False

    @property
    def columns(self) -> list[Column]:
        """The table's columns."""
        return columns(MOVEMENTS[self.table])

    @property
    def required(self) -> list[str]:
        """The names of the columns that must be filled."""
        return [column.name for column in self.columns if column.required]

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that name a row."""
        return key(MOVEMENTS[self.table])


DOCUMENT_TABLES = (
    Movement("expense_reports", "expense_report", "report", is_header=True),
    Movement("expenses", "expense_report", "report"),
    Movement("expense_taxes", "expense_report", "report"),
    Movement("allocations", "expense_report", "report"),
    Movement("advances", "advance", "advance", is_header=True),
    Movement("payment_orders", "payment_order", "payment_order", is_header=True),
    Movement("payment_exclusions", "payment_order", "payment_order", has_version=False),
)
RETURNS = Movement("payment_returns", "payment_return", "payment_order", has_version=False)
ALL_TABLES = (*DOCUMENT_TABLES, RETURNS)


def rows_to_stage(session: Session, batch: Mapping[str, RawTable]) -> dict[str, str]:
    """The query of each movement table's rows, of the batch and of `stored_waiting`, typed, not numbered yet."""
    kinds = session.query(
        """
        select distinct table_name, if(json_extract_string(row_json, '$.whole_row') is null, fate, 'bad') as fate
        from stored_waiting
        """
    )
    waiting = set(kinds.iter_rows())
    return {
        movement.table: _rows_to_stage(session, movement, batch.get(movement.table), waiting) for movement in ALL_TABLES
    }


def stage_rows(session: Session, staged: Mapping[str, str]) -> None:
    """Makes staged_<table> of the rows that `staged` selects for each movement table, and document_rows of them."""
    for movement in ALL_TABLES:
        cells = ["malformed is null", *(f"{identifier(name)} is not null" for name in movement.required)]
        session.create(
            f"staged_{movement.table}",
            f"select * replace (row_number() over () as row_id), {' and '.join(cells)} as is_whole "
            f"from ({staged[movement.table]})",
        )
    given = [movement for movement in _given(session) if movement is not RETURNS]
    session.create(
        "document_rows", " union all ".join(_document_rows(movement) for movement in given or DOCUMENT_TABLES)
    )
    session.run(HERE / "document_versions.sql")


def decide_fates(session: Session) -> None:
    """Makes document_fates and row_fates; reads document_rows, document_versions and known_documents."""
    session.run(HERE / "versions.sql", "document_fates")
    session.run(HERE / "row_fates.sql")
    session.run(HERE / "return_fates.sql")
    not_judged = dict(
        session.query(
            """
            select table_name, count(*) from row_fates group by table_name
            union all
            select 'payment_returns', count(*) from return_fates where fate <> 'judge'
            """
        ).iter_rows()
    )
    for movement in ALL_TABLES:
        _name_judged(session, movement, not_judged.get(movement.table, 0))
        if movement.is_header:
            active = f"select * from judged_{movement.table} where status is distinct from 'cancelled'"
            session.view(f"active_{movement.table}", active)
    session.create(
        "judged_rows",
        " union all ".join(
            f"select '{movement.table}' as table_name, count(*) as row_count from judged_{movement.table}"
            for movement in ALL_TABLES
        ),
    )
    session.run(HERE / "cancelled_reports.sql")
    session.run(HERE / "expense_copies.sql")
    session.view("expense_keys", (HERE / "expense_keys.sql").read_text(encoding="utf-8"))
    for table in ("expense_taxes", "allocations"):
        session.run(HERE / f"matched_{table}.sql")
        session.view(f"attached_{table}", f"select * from matched_{table} where expense_id is not null and is_active")
        session.view(
            f"loose_{table}",
            f"select judged.* from judged_{table} as judged semi join matched_{table} as matched "
            "on judged.row_id = matched.row_id and matched.expense_id is null and matched.is_active",
        )


def judge(session: Session) -> None:
    """Makes findings and quarantined_documents: every rule over the judged rows, and the cells of loose rows."""
    session.run(HERE / "expenses.sql", "placed_expenses")
    for step in SECTIONS:
        session.run(HERE / f"{step}.sql")
    session.drop("split_names")
    session.run(HERE / "accountable_advances.sql")
    session.run(HERE / "account_needs.sql")
    session.run(HERE.parent / "post" / "accounts.sql")
    session.run(HERE.parent / "post" / "journal_codes.sql")
    session.register("valid_ibans", iban_table(session.query(_OWN_IBANS)["iban"]))
    given = _given(session)
    some = given or ALL_TABLES
    session.create("malformed_cells", " union all ".join(_malformed_cells(movement) for movement in some))
    session.create("missing_cells", " union all ".join(_missing_cells(movement) for movement in some))
    session.create("duplicate_rows", " union all ".join(_duplicate_rows(movement) for movement in some))
    session.create(
        "rule_findings",
        """
        select null::varchar as rule, null::varchar as table_name, null::bigint as row_id, null::varchar as column_name,
            null::varchar as value, null::varchar as message where false
        """,
    )
    for rule in RULES:
        broken_rows = rule.read_text(encoding="utf-8")
        session.insert("rule_findings", f"select '{rule.stem}' as rule, * from (\n{broken_rows})")
    found = {table for (table,) in session.query("select distinct table_name from rule_findings").iter_rows()}
    named = [movement for movement in ALL_TABLES if movement.table in found]
    session.create("findings", " union all ".join(_named_findings(movement) for movement in named or [RETURNS]))
    session.run(HERE / "quarantined_documents.sql")
    for movement in given:
        _validate_passed(session, movement)


def _given(session: Session) -> list[Movement]:
    """The movement tables that have rows: what is found out of each other one would take time and be nothing."""
    counts = " union all ".join(f"select '{one.table}', count(*) from staged_{one.table}" for one in ALL_TABLES)
    rows = dict(session.query(counts).iter_rows())
    return [movement for movement in ALL_TABLES if rows[movement.table]]


def _name_judged(session: Session, movement: Movement, not_judged: int) -> None:
    """Makes judged_<table>: a name for the staged rows less the few that are not judged, or a copy of the rest."""
    staged, judged = f"staged_{movement.table}", f"judged_{movement.table}"
    if not not_judged:
        session.view(judged, f"select * from {staged}")
        return
    fates = "return_fates" if movement is RETURNS else "row_fates"
    rows = (
        f"select staged.* from {staged} as staged anti join {fates} as fates "
        f"on fates.table_name = '{movement.table}' and fates.row_id = staged.row_id and fates.fate <> 'judge'"
    )
    # Every rule reads them again.
    if not_judged * _COPIED_FROM > session.count(staged):
        session.create(judged, rows)
    else:
        session.view(judged, rows)


_OWN_IBANS = "select iban from legal_entities union all select iban from bank_accounts"


def _rows_to_stage(
    session: Session, movement: Movement, raw: RawTable | None, waiting: AbstractSet[tuple[str, str]]
) -> str:
    """waiting: the tables and fates of which rows wait; fate bad: with another number of cells than the header."""
    parts = []
    if raw is not None:
        if isinstance(raw.source, Path):
            relation = f"read_parquet({files_read([raw.source])}, hive_partitioning = false)"
        else:
            relation = f"raw_{movement.table}"
            session.register(relation, raw.source)
        parts.append(staged_query(relation, movement.columns, raw.types, origin="batch"))
        if raw.bad_rows:
            session.register(
                f"bad_{movement.table}",
                pl.DataFrame(
                    {"text": [bad.text for bad in raw.bad_rows], "reason": [bad.reason for bad in raw.bad_rows]}
                ),
            )
            parts.append(_bad_rows(movement, f"bad_{movement.table}"))
    texts = ", ".join(
        f"json_extract_string(row_json, '$.{column.name}') as {identifier(column.name)}" for column in movement.columns
    )
    for fate, origin in (("document", "waiting"), ("orphan", "waiting_orphan"), ("alone", "waiting_alone")):
        if (movement.table, fate) not in waiting:
            continue
        kept = f"(select {texts} from stored_waiting where table_name = '{movement.table}' and fate = '{fate}'"
        if fate == "alone":
            kept += " and json_extract_string(row_json, '$.whole_row') is null"
        parts.append(
            staged_query(
                kept + ")",
                movement.columns,
                {column.name: "VARCHAR" for column in movement.columns},
                origin=origin,
            )
        )
    if (movement.table, "bad") in waiting:
        parts.append(
            _bad_rows(
                movement,
                "(select json_extract_string(row_json, '$.whole_row') as text from stored_waiting "
                f"where table_name = '{movement.table}' and fate = 'alone' "
                "and json_extract_string(row_json, '$.whole_row') is not null)",
                origin="waiting_alone",
            )
        )
    if not parts:
        parts.append(_bad_rows(movement, "(select '' as text where false)"))
    return " union all by name ".join(f"({part})" for part in parts)


def _bad_rows(movement: Movement, relation: str, origin: str = "batch") -> str:
    """Rows that have another number of cells than the header: no cell of theirs can be trusted."""
    nulls = ", ".join(f"null::{column.duckdb_type} as {identifier(column.name)}" for column in movement.columns)
    return f"""
        select 0::bigint as row_id, '{origin}' as origin,
            [{{'column_name': null::varchar, 'value': text}}] as malformed, {nulls}
        from {relation}
    """


def _text(column: Column) -> str:
    name = identifier(column.name)
    if column.name == "exchange_rate":
        return f"coalesce({name}, 1)::varchar"  # an empty exchange_rate is 1 (spec §3)
    return f"coalesce({name}::varchar, '\\0')"


def _document_rows(movement: Movement) -> str:
    """Selects what the fates need of a table's rows, in few columns.

    core_hash says what must stay the same for a version to be `unchanged` unjudged; values_hash says everything.
    """
    table = movement.table
    core = [column for column in movement.columns if column.name not in _NOT_CONTENT]
    rest = [column for column in movement.columns if column.name in _NOT_CONTENT and column.name != "version"]
    core_text = ", ".join(_text(column) for column in core)
    rest_text = "".join(f", {_text(column)}" for column in rest)
    version = "staged.version" if movement.has_version else "order_versions.version"
    status = "staged.status" if movement.is_header else "null::varchar"
    order_versions = (
        ""
        if movement.has_version
        else """
        left join (
            select payment_order, origin, max(version) as version from (
                select payment_order, origin, version from staged_payment_orders where origin in ('batch', 'waiting')
            ) group by all
        ) as order_versions
            on staged.payment_order = order_versions.payment_order and staged.origin = order_versions.origin
        """
    )
    if not movement.has_version:
        # An exclusion names no version: it is of its order's version in the same batch, of none if that is not there.
        version = "if(staged.origin = 'waiting_orphan', null, coalesce(order_versions.version, 2147483647))"
    return f"""
        select '{table}' as table_name, row_id, staged.origin, '{movement.document_kind}' as document_kind,
            staged.{identifier(movement.document)} as document, {version} as version,
            {str(movement.is_header).lower()} as is_header, {status} as status,
            md5_lower(core_hash::varchar || concat_ws(chr(31), ''{rest_text})) as values_hash, core_hash
        from (
            select *, md5_lower(
                concat_ws(chr(31), '{table}', {core_text})
                || if(malformed is null, '', malformed::varchar || version_text)
            ) as core_hash
            from (
                select *, {"coalesce(version::varchar, '')" if movement.has_version else "''"} as version_text
                from staged_{table}
            )
        ) as staged {order_versions}
    """


def _formed(movement: Movement) -> str:
    """Selects the rows with a cell amiss, of those that are looked at: the judged, and the new that wait alone."""
    fates = "return_fates" if movement is RETURNS else "row_fates"
    return (
        f"select staged.* from staged_{movement.table} as staged anti join {fates} as fates "
        f"on fates.table_name = '{movement.table}' and fates.row_id = staged.row_id "
        "and fates.fate not in ('judge', 'alone') where not staged.is_whole"
    )


def _malformed_cells(movement: Movement) -> str:
    hints = " ".join(
        f"when '{column.name}' then '{_hint(column)}'" for column in movement.columns if column.form != "text"
    )
    return f"""
        select '{movement.table}' as table_name, row_id, cell.column_name, cell.value,
            case cell.column_name
                {hints or "when '' then ''"}
                else 'the row has another number of cells than the header: quote or remove the stray comma'
            end as message
        from (select row_id, unnest(malformed) as cell from ({_formed(movement)}) where malformed is not null)
    """


def _hint(column: Column) -> str:
    """What a cell of the column has to look like, for a person."""
    hints = {
        "date": f"{column.name} is a day, written YYYY-MM-DD",
        "integer": f"{column.name} is a whole number from 1",
        "amount": f"{column.name} is a number with a decimal point, at most 14 digits before it and 4 after it",
        "exchange_rate": f"{column.name} is a number with a decimal point, at most 10 digits before it and 8 after it",
        "percent": f"{column.name} is a number above 0, with at most 4 decimals",
    }
    if column.form == "enum":
        return f"{column.name} is one of " + ", ".join(column.values)
    return hints[str(column.form)]


def _missing_cells(movement: Movement) -> str:
    cells = ", ".join(
        f"if({identifier(name)} is null and not list_contains(wrong, '{name}'), '{name}', null)"
        for name in movement.required
    )
    some = " or ".join(f"{identifier(name)} is null" for name in movement.required)
    return f"""
        select '{movement.table}' as table_name, row_id, column_name, null::varchar as value,
            column_name || ' is required and empty: fill it in' as message
        from (
            select row_id, unnest([{cells}]) as column_name
            from (
                select *, list_transform(coalesce(malformed, []), lambda cell: cell.column_name) as wrong
                from ({_formed(movement)}) where {some}
            )
            where len(wrong) = 0 or wrong[1] is not null
        )
        where column_name is not null
    """


def _duplicate_rows(movement: Movement) -> str:
    names = [identifier(name) for name in movement.key]
    nullable = {column.name for column in movement.columns if not column.required}
    complete = " and ".join(f"{identifier(name)} is not null" for name in movement.key if name not in nullable)
    same = " and ".join(f"judged.{name} is not distinct from copied.{name}" for name in names)
    copied = f"""
        (
            select {", ".join(names)}, count(*) as copies from judged_{movement.table}
            where {complete} group by all having count(*) > 1
        )
    """
    if movement.table == "expenses":
        copied = f"(select * from expense_copies where {complete})"
    return f"""
        select '{movement.table}' as table_name, judged.row_id, copied.copies
        from judged_{movement.table} as judged inner join {copied} as copied on {same}
    """


def _validate_passed(session: Session, movement: Movement) -> None:
    """Holds the rows that passed every rule to their model, a slice at a time: posting relies on it.

    Raises: InvariantError where a rule let pass what the model refuses, which is a fault of the rules.
    """
    names = ", ".join(f"judged.{identifier(column.name)}" for column in movement.columns)
    if movement is RETURNS:
        refused = "select row_id from findings where table_name = 'payment_returns'"
        passed = f"anti join ({refused}) as refused on judged.row_id = refused.row_id"
    else:
        passed = f"""
            anti join quarantined_documents as held
                on held.document_kind = '{movement.document_kind}'
                    and judged.{identifier(movement.document)} = held.document
        """
    reader = session.con.sql(f"select {names} from judged_{movement.table} as judged {passed}").to_arrow_reader(_SLICE)
    for rows in batches(reader):
        validate(pl.DataFrame(rows), MOVEMENTS[movement.table])


def row_key(movement: Movement) -> str:
    """The expression that is a staged row's key as the quarantine prints it: its values joined by `|`."""
    cells = ", ".join(
        f"coalesce({identifier(name)}::varchar, "
        f"list_filter(malformed, lambda cell: cell.column_name = '{name}')[1].value, '')"
        for name in movement.key
    )
    return f"concat_ws('|', {cells})"


def _named_findings(movement: Movement) -> str:
    """Selects a table's findings with the document, version and key of the row that each is about."""
    version = "staged.version" if movement.has_version else "rows.version"
    rows = (
        ""
        if movement.has_version
        else f"left join document_rows as rows on rows.table_name = '{movement.table}' and rows.row_id = staged.row_id"
    )
    if movement is RETURNS:
        version, rows = "null::integer", ""
    return f"""
        select rule, '{movement.table}' as table_name, staged.row_id, '{movement.document_kind}' as document_kind,
            staged.{identifier(movement.document)} as document,
            nullif({version}, 2147483647)::integer as version, {row_key(movement)} as row_key,
            rule_findings.column_name, rule_findings.value, rule_findings.message
        from rule_findings
        inner join staged_{movement.table} as staged on rule_findings.row_id = staged.row_id
        {rows}
        where rule_findings.table_name = '{movement.table}'
    """


def waiting_rows(movement: Movement, rows: str) -> str:
    """Selects staged rows as `waiting` keeps them: every cell as it stood, so that it can be judged again.

    rows: SQL that selects row_id and fate ('document', 'orphan' or 'alone') of the rows that go on waiting.
    """
    cells = ", ".join(
        f"'{column.name}': coalesce({identifier(column.name)}::varchar, "
        f"list_filter(malformed, lambda cell: cell.column_name = '{column.name}')[1].value)"
        for column in movement.columns
    )
    version = "staged.version" if movement.has_version else "null::integer"
    return f"""
        select '{movement.table}' as table_name, '{movement.document_kind}' as document_kind,
            staged.{identifier(movement.document)} as document, {version} as version,
            to_json(
                {{{cells}, 'whole_row': list_filter(malformed, lambda cell: cell.column_name is null)[1].value}}
            )::varchar as row_json,
            kept.fate
        from staged_{movement.table} as staged inner join ({rows}) as kept on staged.row_id = kept.row_id
    """
