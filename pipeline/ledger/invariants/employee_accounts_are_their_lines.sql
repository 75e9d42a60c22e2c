-- Employees whose kept accounts are not what their lines add up to: one row per (legal entity, employee).
-- In: stored_entry_lines, employee_accounts. Out: violations. Spec: sections 7 and 8.
with

sums as (
    select
        legal_entity,
        employee,
        sum(if(role = 'employee', debit - credit, 0)) as third_party,
        sum(if(role = 'advance_one_time', debit - credit, 0)) as advance_one_time,
        sum(if(role = 'advance_regular', debit - credit, 0)) as advance_regular
    from stored_entry_lines
    where role in ('employee', 'advance_one_time', 'advance_regular')
    group by legal_entity, employee
)

select
    coalesce(sums.legal_entity, employee_accounts.legal_entity) as legal_entity,
    coalesce(sums.employee, employee_accounts.employee) as employee,
    sums.third_party,
    employee_accounts.third_party as kept_third_party,
    sums.advance_one_time,
    employee_accounts.advance_one_time as kept_advance_one_time
from sums
full join employee_accounts
    on sums.legal_entity = employee_accounts.legal_entity and sums.employee = employee_accounts.employee
where
    sums.third_party is distinct from employee_accounts.third_party
    or sums.advance_one_time is distinct from employee_accounts.advance_one_time
    or sums.advance_regular is distinct from employee_accounts.advance_regular
