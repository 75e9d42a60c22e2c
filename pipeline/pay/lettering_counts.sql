-- How many letterings each employee account has had: one row per (legal entity, employee) with lines that this run
-- may pay.
-- In: lines_in_reach, stored_employee_state. Out: lettering_counts. Spec: section 5.
with

payable_accounts as (
    select distinct
        legal_entity,
        employee
    from lines_in_reach
)

select
    stored_employee_state.legal_entity,
    stored_employee_state.employee,
    max(stored_employee_state.lettering_count) as lettering_count
from stored_employee_state
semi join payable_accounts
    on stored_employee_state.legal_entity = payable_accounts.legal_entity
        and stored_employee_state.employee = payable_accounts.employee
group by stored_employee_state.legal_entity, stored_employee_state.employee
