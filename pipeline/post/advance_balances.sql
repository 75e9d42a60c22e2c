-- The one-time advance accounts before this run: one row per (legal entity, employee) of a changed document.
-- In: entity_changes, posted_documents, stored_employee_state. Out: advance_balances. Spec: section 4, journal 4.
with

touched_accounts as (
    select distinct
        entity_changes.legal_entity,
        posted_documents.employee
    from entity_changes
    inner join posted_documents on entity_changes.document_id = posted_documents.document_id
    where entity_changes.is_changed
)

select
    stored_employee_state.legal_entity,
    stored_employee_state.employee,
    arg_max(stored_employee_state.advance_one_time, stored_employee_state.run) as balance
from stored_employee_state
inner join touched_accounts
    on stored_employee_state.legal_entity = touched_accounts.legal_entity
        and stored_employee_state.employee = touched_accounts.employee
group by stored_employee_state.legal_entity, stored_employee_state.employee
