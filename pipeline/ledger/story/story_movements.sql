-- The lines of a story in the order of events: one row per line.
-- balance: of the third-party account after the line, debit positive; it means something for an employee's story.
-- In: story_lines, story_entries. Out: story_movements. Spec: sections 4 and 5.
select
    story_lines.*,
    sum(if(story_lines.role = 'employee', story_lines.debit - story_lines.credit, 0)) over (
        order by
            story_lines.run,
            story_entries.stage,
            if(story_entries.stage = 5, story_lines.document_date, null) nulls first,
            story_lines.reversal,
            story_lines.document_date,
            story_lines.document_kind,
            story_lines.document,
            story_lines.journal = 'advance_imputation',
            story_lines.legal_entity,
            story_lines.journal_code,
            story_lines.fiscal_year,
            story_lines.entry_number,
            story_lines.line_number
        rows between unbounded preceding and current row
    )::decimal(18, 4) as balance
from story_lines
inner join story_entries
    on story_lines.legal_entity = story_entries.legal_entity
        and story_lines.journal_code = story_entries.journal_code
        and story_lines.fiscal_year = story_entries.fiscal_year
        and story_lines.entry_number = story_entries.entry_number
order by
    story_lines.legal_entity,
    story_lines.journal_code,
    story_lines.fiscal_year,
    story_lines.entry_number,
    story_lines.line_number
