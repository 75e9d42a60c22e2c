-- The accounts of each employee at the end of a day: one row per (legal entity, employee).
-- Without the count of letterings, which runs alone read.
-- In: stored_entry_lines. Out: stored_employee_state (debit positive). Spec: section 7.
select
    max(run) as run,
    legal_entity,
    employee,
    sum(if(role = 'employee', debit - credit, 0))::decimal(18, 4) as third_party,
    sum(if(role = 'advance_one_time', debit - credit, 0))::decimal(18, 4) as advance_one_time,
    sum(if(role = 'advance_regular', debit - credit, 0))::decimal(18, 4) as advance_regular
from stored_entry_lines
where role in ('employee', 'advance_one_time', 'advance_regular')
group by legal_entity, employee
