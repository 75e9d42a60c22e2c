-- The lines of role employee that no lettering in force holds at the end of a day: one row per line.
-- Without what only runs read of an open line: what it contra-passes, and its last lettering.
-- In: stored_entry_lines, stored_letterings, stored_deletterings, stored_lettering_lines. Out: stored_open_lines.
-- Spec: sections 5 and 6.
with

letterings_in_force as (
    select
        stored_letterings.legal_entity,
        stored_letterings.employee,
        stored_letterings.lettering
    from stored_letterings
    anti join stored_deletterings
        on stored_letterings.legal_entity = stored_deletterings.legal_entity
            and stored_letterings.employee = stored_deletterings.employee
            and stored_letterings.lettering = stored_deletterings.lettering
),

lettered_lines as (
    select stored_lettering_lines.*
    from stored_lettering_lines
    semi join letterings_in_force
        on stored_lettering_lines.legal_entity = letterings_in_force.legal_entity
            and stored_lettering_lines.employee = letterings_in_force.employee
            and stored_lettering_lines.lettering = letterings_in_force.lettering
)

select
    stored_entry_lines.run,
    stored_entry_lines.legal_entity,
    stored_entry_lines.employee,
    stored_entry_lines.journal_code,
    stored_entry_lines.fiscal_year,
    stored_entry_lines.entry_number,
    stored_entry_lines.line_number,
    stored_entry_lines.entry_date,
    stored_entry_lines.document_kind,
    stored_entry_lines.document,
    stored_entry_lines.account,
    stored_entry_lines.auxiliary,
    (stored_entry_lines.credit - stored_entry_lines.debit)::decimal(18, 4) as owed,
    true as is_open
from stored_entry_lines
anti join lettered_lines
    on stored_entry_lines.legal_entity = lettered_lines.legal_entity
        and stored_entry_lines.journal_code = lettered_lines.journal_code
        and stored_entry_lines.fiscal_year = lettered_lines.fiscal_year
        and stored_entry_lines.entry_number = lettered_lines.entry_number
        and stored_entry_lines.line_number = lettered_lines.line_number
where stored_entry_lines.role = 'employee'
