-- One-time advance accounts in credit: one row per (legal entity, employee).
-- In: stored_entry_lines. Out: violations. Spec: section 8.
select
    legal_entity,
    employee,
    sum(debit - credit) as balance
from stored_entry_lines
where role = 'advance_one_time'
group by legal_entity, employee
having sum(debit - credit) < 0
order by legal_entity, employee
