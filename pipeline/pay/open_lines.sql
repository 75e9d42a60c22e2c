-- The unlettered lines of role `employee` before the first order pays: one row per line.
-- owed: credit less debit. last_lettering: the code of the lettering, dissolved since, that last held the line.
-- In: stored_open, stored_members, touched_letterings, old_entries, entries, lines. Out: open_lines.
-- Spec: sections 5 and 6.
with

still_open as (
    select
        legal_entity,
        employee,
        journal_code,
        fiscal_year,
        entry_number,
        line_number,
        entry_date,
        document_kind,
        document,
        account,
        auxiliary,
        owed,
        reverses,
        reverses_fiscal_year,
        last_lettering
    from stored_open
),

delettered as (
    select
        stored_members.legal_entity,
        stored_members.employee,
        stored_members.journal_code,
        stored_members.fiscal_year,
        stored_members.entry_number,
        stored_members.line_number,
        stored_members.entry_date,
        stored_members.document_kind,
        stored_members.document,
        stored_members.account,
        stored_members.auxiliary,
        stored_members.owed,
        stored_members.reverses,
        stored_members.reverses_fiscal_year,
        stored_members.lettering as last_lettering
    from stored_members
    inner join touched_letterings
        on stored_members.legal_entity = touched_letterings.legal_entity
            and stored_members.employee = touched_letterings.employee
            and stored_members.lettering = touched_letterings.lettering
    where touched_letterings.is_dissolved
),

old_lines as (
    select * from still_open
    union all
    select * from delettered
),

old_open_lines as (
    select
        old_lines.legal_entity,
        old_lines.employee,
        old_entries.entry_id,
        old_lines.line_number,
        old_lines.entry_date,
        old_lines.document_kind,
        old_lines.document,
        old_lines.account,
        old_lines.auxiliary,
        old_lines.owed,
        reversed_entries.entry_id as reverses_entry_id,
        old_lines.reverses,
        old_lines.reverses_fiscal_year,
        old_lines.last_lettering
    from old_lines
    inner join old_entries
        on old_lines.legal_entity = old_entries.legal_entity
            and old_lines.journal_code = old_entries.journal_code
            and old_lines.fiscal_year = old_entries.fiscal_year
            and old_lines.entry_number = old_entries.entry_number
    left join old_entries as reversed_entries
        on old_lines.legal_entity = reversed_entries.legal_entity
            and old_lines.journal_code = reversed_entries.journal_code
            and old_lines.reverses_fiscal_year = reversed_entries.fiscal_year
            and old_lines.reverses = reversed_entries.entry_number
),

new_open_lines as (
    select
        entries.legal_entity,
        entries.employee,
        entries.entry_id,
        lines.line_number,
        entries.entry_date,
        entries.document_kind,
        entries.document,
        lines.account,
        lines.auxiliary,
        -lines.amount as owed,
        reversed_entries.entry_id as reverses_entry_id,
        entries.reverses,
        entries.reverses_fiscal_year,
        null::varchar as last_lettering
    from lines
    inner join entries on lines.entry_id = entries.entry_id
    left join old_entries as reversed_entries
        on entries.legal_entity = reversed_entries.legal_entity
            and entries.journal_code = reversed_entries.journal_code
            and entries.reverses_fiscal_year = reversed_entries.fiscal_year
            and entries.reverses = reversed_entries.entry_number
    where lines.role = 'employee'
),

open_lines as (
    select * from old_open_lines
    union all
    select * from new_open_lines
)

select
    legal_entity,
    employee,
    entry_id,
    line_number,
    entry_date,
    document_kind,
    document,
    account,
    auxiliary,
    owed::decimal(18, 4) as owed,
    reverses_entry_id,
    reverses,
    reverses_fiscal_year,
    last_lettering,
    row_number() over () as line_id
from open_lines
