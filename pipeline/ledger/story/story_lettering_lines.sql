-- The lines of the story's letterings, of whatever documents: one row per (lettering, line).
-- In: stored_lettering_lines, story_letterings. Out: story_lettering_lines. Spec: section 5.
select
    stored_lettering_lines.legal_entity,
    stored_lettering_lines.employee,
    stored_lettering_lines.lettering,
    stored_lettering_lines.journal_code,
    stored_lettering_lines.fiscal_year,
    stored_lettering_lines.entry_number,
    stored_lettering_lines.line_number,
    stored_lettering_lines.entry_date,
    stored_lettering_lines.document_kind,
    stored_lettering_lines.document,
    stored_lettering_lines.account,
    stored_lettering_lines.auxiliary,
    stored_lettering_lines.owed,
    greatest(-stored_lettering_lines.owed, 0)::decimal(18, 4) as debit,
    greatest(stored_lettering_lines.owed, 0)::decimal(18, 4) as credit
from stored_lettering_lines
semi join story_letterings
    on stored_lettering_lines.legal_entity = story_letterings.legal_entity
        and stored_lettering_lines.employee = story_letterings.employee
        and stored_lettering_lines.lettering = story_letterings.lettering
order by
    stored_lettering_lines.legal_entity,
    stored_lettering_lines.employee,
    stored_lettering_lines.lettering,
    stored_lettering_lines.entry_date,
    stored_lettering_lines.journal_code,
    stored_lettering_lines.fiscal_year,
    stored_lettering_lines.entry_number,
    stored_lettering_lines.line_number
