-- What changed among the open lines: one row per line opened, closed, or opened again under another lettering.
-- In: open_lines, stored_open, entry_keys. Out: rows of the stored kind `open_lines`.
with

lines_now as (
    select
        open_lines.legal_entity,
        open_lines.employee,
        entry_keys.journal_code,
        entry_keys.fiscal_year,
        entry_keys.entry_number,
        open_lines.line_number,
        open_lines.entry_date,
        open_lines.document_kind,
        open_lines.document,
        open_lines.account,
        open_lines.auxiliary,
        open_lines.owed,
        coalesce(open_lines.reverses, reversed_keys.entry_number) as reverses,
        coalesce(open_lines.reverses_fiscal_year, reversed_keys.fiscal_year) as reverses_fiscal_year,
        open_lines.last_lettering
    from open_lines
    inner join entry_keys on open_lines.entry_id = entry_keys.entry_id
    left join entry_keys as reversed_keys on open_lines.reverses_entry_id = reversed_keys.entry_id
),

lines_before as (
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

opened_lines as (
    select lines_now.*
    from lines_now
    anti join lines_before
        on lines_now.legal_entity = lines_before.legal_entity
            and lines_now.journal_code = lines_before.journal_code
            and lines_now.fiscal_year = lines_before.fiscal_year
            and lines_now.entry_number = lines_before.entry_number
            and lines_now.line_number = lines_before.line_number
            and lines_now.last_lettering is not distinct from lines_before.last_lettering
),

closed_lines as (
    select lines_before.*
    from lines_before
    anti join lines_now
        on lines_before.legal_entity = lines_now.legal_entity
            and lines_before.journal_code = lines_now.journal_code
            and lines_before.fiscal_year = lines_now.fiscal_year
            and lines_before.entry_number = lines_now.entry_number
            and lines_before.line_number = lines_now.line_number
),

changed_lines as (
    select
        $run::bigint as run,
        *,
        true as is_open
    from opened_lines

    union all

    select
        $run::bigint as run,
        *,
        false as is_open
    from closed_lines
)

select * from changed_lines
order by legal_entity, employee, journal_code, fiscal_year, entry_number, line_number
