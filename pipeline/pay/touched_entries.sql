-- The stored entries that this run takes back, or may by a return: one row per entry with an employee.
-- stage: 0 by a document, 1 by a cancelled order, 2 perhaps by a return of payments.
-- In: contra_lines, cancelled_payments, returnable_payments. Out: touched_entries. Spec: section 5.
with

document_entries as (
    select distinct
        legal_entity,
        employee,
        journal_code,
        reverses_fiscal_year as fiscal_year,
        reverses as entry_number,
        event_date,
        0 as stage
    from contra_lines
),

order_entries as (
    select distinct
        legal_entity,
        employee,
        journal_code,
        fiscal_year,
        entry_number,
        event_date,
        1 as stage
    from cancelled_payments
),

return_entries as (
    select distinct
        legal_entity,
        employee,
        journal_code,
        fiscal_year,
        entry_number,
        null::date as event_date,
        2 as stage
    from returnable_payments
)

select * from document_entries
union all
select * from order_entries
union all
select * from return_entries
