-- The story's lines that are open: one row per line of a third-party account that no lettering in force holds.
-- last_lettering: the one, dissolved since, that last held it.
-- In: stored_open_lines, story_entries. Out: open_items. Spec: sections 5 and 6.
with

story_changes as (
    select stored_open_lines.*
    from stored_open_lines
    semi join story_entries
        on stored_open_lines.legal_entity = story_entries.legal_entity
            and stored_open_lines.journal_code = story_entries.journal_code
            and stored_open_lines.fiscal_year = story_entries.fiscal_year
            and stored_open_lines.entry_number = story_entries.entry_number
),

latest_changes as (
    select *
    from story_changes
    qualify
        row_number() over (
            partition by legal_entity, journal_code, fiscal_year, entry_number, line_number
            order by run desc
        ) = 1
)

select
    legal_entity,
    journal_code,
    fiscal_year,
    entry_number,
    line_number,
    entry_date,
    document_kind,
    document,
    account,
    auxiliary,
    last_lettering,
    greatest(-owed, 0)::decimal(18, 4) as debit,
    greatest(owed, 0)::decimal(18, 4) as credit
from latest_changes
where is_open
order by legal_entity, entry_date, journal_code, fiscal_year, entry_number, line_number
