-- The employee accounts that the run moves, as they stand after it: one row per (legal entity, employee).
-- In: lines, entries, new_letterings, stored_employee_state. Out: rows of the stored kind `employee_state`.
-- Spec: section 7, employee_accounts (debit positive).
with

movements as (
    select
        entries.legal_entity,
        entries.employee,
        sum(if(lines.role = 'employee', lines.amount, 0)) as third_party,
        sum(if(lines.role = 'advance_one_time', lines.amount, 0)) as advance_one_time,
        sum(if(lines.role = 'advance_regular', lines.amount, 0)) as advance_regular,
        0 as lettering_count
    from lines
    inner join entries on lines.entry_id = entries.entry_id
    where lines.role in ('employee', 'advance_one_time', 'advance_regular')
    group by entries.legal_entity, entries.employee

    union all

    select
        legal_entity,
        employee,
        0 as third_party,
        0 as advance_one_time,
        0 as advance_regular,
        count(*) as lettering_count
    from new_letterings
    group by legal_entity, employee
),

moved_accounts as (
    select distinct
        legal_entity,
        employee
    from movements
),

states_before as (
    select
        stored_employee_state.legal_entity,
        stored_employee_state.employee,
        stored_employee_state.third_party,
        stored_employee_state.advance_one_time,
        stored_employee_state.advance_regular,
        stored_employee_state.lettering_count
    from stored_employee_state
    semi join moved_accounts
        on stored_employee_state.legal_entity = moved_accounts.legal_entity
            and stored_employee_state.employee = moved_accounts.employee
    qualify
        row_number() over (
            partition by stored_employee_state.legal_entity, stored_employee_state.employee
            order by stored_employee_state.run desc
        ) = 1
),

all_movements as (
    select * from states_before
    union all
    select * from movements
)

select
    $run::bigint as run,
    legal_entity,
    employee,
    sum(third_party)::decimal(18, 4) as third_party,
    sum(advance_one_time)::decimal(18, 4) as advance_one_time,
    sum(advance_regular)::decimal(18, 4) as advance_regular,
    sum(lettering_count)::bigint as lettering_count
from all_movements
group by legal_entity, employee
order by legal_entity, employee
