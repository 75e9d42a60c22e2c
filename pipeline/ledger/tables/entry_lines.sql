-- The entry lines with the lettering that each has: one row per line.
-- In: stored_entry_lines, stored_lettering_lines, stored_letterings, stored_deletterings. Out: entry_lines.
-- Spec: section 7.
with

letterings_in_force as (
    select
        stored_letterings.legal_entity,
        stored_letterings.employee,
        stored_letterings.lettering,
        stored_letterings.lettered_on
    from stored_letterings
    anti join stored_deletterings
        on stored_letterings.legal_entity = stored_deletterings.legal_entity
            and stored_letterings.employee = stored_deletterings.employee
            and stored_letterings.lettering = stored_deletterings.lettering
),

lettered_lines as (
    select
        stored_lettering_lines.legal_entity,
        stored_lettering_lines.journal_code,
        stored_lettering_lines.fiscal_year,
        stored_lettering_lines.entry_number,
        stored_lettering_lines.line_number,
        letterings_in_force.lettering,
        letterings_in_force.lettered_on
    from stored_lettering_lines
    inner join letterings_in_force
        on stored_lettering_lines.legal_entity = letterings_in_force.legal_entity
            and stored_lettering_lines.employee = letterings_in_force.employee
            and stored_lettering_lines.lettering = letterings_in_force.lettering
)

select
    stored_entry_lines.*,
    lettered_lines.lettering,
    lettered_lines.lettered_on
from stored_entry_lines
left join lettered_lines
    on stored_entry_lines.legal_entity = lettered_lines.legal_entity
        and stored_entry_lines.journal_code = lettered_lines.journal_code
        and stored_entry_lines.fiscal_year = lettered_lines.fiscal_year
        and stored_entry_lines.entry_number = lettered_lines.entry_number
        and stored_entry_lines.line_number = lettered_lines.line_number
