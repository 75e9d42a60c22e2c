-- Payments whose amount or state is not that of their entry: one row per payment.
-- In: payments, stored_entry_lines. Out: violations. Spec: section 6.
with

payment_entries as (
    select
        legal_entity,
        journal_code,
        fiscal_year,
        entry_number,
        any_value(document) as payment_order,
        any_value(employee) as employee,
        sum(if(role = 'employee', debit - credit, 0)) as amount
    from stored_entry_lines
    where document_kind = 'payment_order' and not reversal
    group by legal_entity, journal_code, fiscal_year, entry_number
),

taken_back as (
    select distinct
        legal_entity,
        journal_code,
        reverses_fiscal_year as fiscal_year,
        reverses as entry_number
    from stored_entry_lines
    where reversal and document_kind = 'payment_order'
)

select
    payments.payment_order,
    payments.employee,
    payments.amount,
    payments.status,
    payment_entries.amount as posted
from payments
left join payment_entries
    on payments.legal_entity = payment_entries.legal_entity
        and payments.journal_code = payment_entries.journal_code
        and payments.fiscal_year = payment_entries.fiscal_year
        and payments.entry_number = payment_entries.entry_number
        and payments.payment_order = payment_entries.payment_order
        and payments.employee = payment_entries.employee
left join taken_back
    on payments.legal_entity = taken_back.legal_entity
        and payments.journal_code = taken_back.journal_code
        and payments.fiscal_year = taken_back.fiscal_year
        and payments.entry_number = taken_back.entry_number
where
    payments.amount is distinct from payment_entries.amount
    or (payments.status = 'paid') <> (taken_back.entry_number is null)
