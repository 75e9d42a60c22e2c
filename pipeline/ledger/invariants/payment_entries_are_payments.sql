-- Entries that pay an employee and are no payment: one row per entry.
-- In: stored_entry_lines, payments. Out: violations. Spec: section 6.
with

payment_entries as (
    select distinct
        legal_entity,
        journal_code,
        fiscal_year,
        entry_number,
        document,
        employee
    from stored_entry_lines
    where document_kind = 'payment_order' and role = 'payment_compensation' and not reversal
)

select payment_entries.*
from payment_entries
anti join payments
    on payment_entries.legal_entity = payments.legal_entity
        and payment_entries.journal_code = payments.journal_code
        and payment_entries.fiscal_year = payments.fiscal_year
        and payment_entries.entry_number = payments.entry_number
