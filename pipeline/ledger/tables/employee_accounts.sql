-- The accounts of each employee as they stand: one row per (legal entity, employee).
-- In: stored_employee_state. Out: employee_accounts (debit positive). Spec: section 7.
select
    legal_entity,
    employee,
    third_party,
    advance_one_time,
    advance_regular
from stored_employee_state
qualify row_number() over (partition by legal_entity, employee order by run desc) = 1
