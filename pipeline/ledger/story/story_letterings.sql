-- The letterings, in force or dissolved, that hold a line of the story's entries: one row per lettering.
-- In: letterings, stored_lettering_lines, story_entries. Out: story_letterings. Spec: section 5.
with

holding_letterings as (
    select distinct
        stored_lettering_lines.legal_entity,
        stored_lettering_lines.employee,
        stored_lettering_lines.lettering
    from stored_lettering_lines
    semi join story_entries
        on stored_lettering_lines.legal_entity = story_entries.legal_entity
            and stored_lettering_lines.journal_code = story_entries.journal_code
            and stored_lettering_lines.fiscal_year = story_entries.fiscal_year
            and stored_lettering_lines.entry_number = story_entries.entry_number
)

select letterings.*
from letterings
semi join holding_letterings
    on letterings.legal_entity = holding_letterings.legal_entity
        and letterings.employee = holding_letterings.employee
        and letterings.lettering = holding_letterings.lettering
