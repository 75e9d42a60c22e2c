-- Letterings in force that do not balance on an account, or hold a line that is no employee line of that employee, or
-- no line at all: one row per (lettering, account).
-- In: letterings, lettering_lines, stored_entry_lines. Out: violations. Spec: sections 5 and 8.
with

letterings_in_force as (
    select
        legal_entity,
        employee,
        lettering
    from letterings
    where delettered_on is null
),

lettered_lines as (
    select
        letterings_in_force.legal_entity,
        letterings_in_force.employee,
        letterings_in_force.lettering,
        stored_entry_lines.account,
        stored_entry_lines.auxiliary,
        stored_entry_lines.debit,
        stored_entry_lines.credit,
        coalesce(stored_entry_lines.role = 'employee', false)
        and stored_entry_lines.employee = letterings_in_force.employee as is_own
    from letterings_in_force
    left join lettering_lines
        on letterings_in_force.legal_entity = lettering_lines.legal_entity
            and letterings_in_force.employee = lettering_lines.employee
            and letterings_in_force.lettering = lettering_lines.lettering
    left join stored_entry_lines
        on lettering_lines.legal_entity = stored_entry_lines.legal_entity
            and lettering_lines.journal_code = stored_entry_lines.journal_code
            and lettering_lines.fiscal_year = stored_entry_lines.fiscal_year
            and lettering_lines.entry_number = stored_entry_lines.entry_number
            and lettering_lines.line_number = stored_entry_lines.line_number
)

select
    legal_entity,
    employee,
    lettering,
    account,
    auxiliary,
    sum(debit) as debit,
    sum(credit) as credit
from lettered_lines
group by legal_entity, employee, lettering, account, auxiliary
having coalesce(sum(debit) <> sum(credit), true) or not bool_and(is_own)
order by legal_entity, employee, lettering
