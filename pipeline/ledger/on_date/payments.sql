-- The payments whose entry is dated up to a day, paid as long as no contra-entry is: one row per change of a payment.
-- In: recorded_payments, stored_entry_lines. Out: stored_payments. Spec: sections 6 and 7.
with

payment_entries as (
    select distinct
        legal_entity,
        journal_code,
        fiscal_year,
        entry_number
    from stored_entry_lines
    where document_kind = 'payment_order' and not reversal
),

taken_back as (
    select distinct
        legal_entity,
        journal_code,
        reverses_fiscal_year as fiscal_year,
        reverses as entry_number
    from stored_entry_lines
    where document_kind = 'payment_order' and reversal
)

select
    recorded_payments.*
    replace (if(taken_back.entry_number is null, 'paid', recorded_payments.status) as status)
from recorded_payments
semi join payment_entries
    on recorded_payments.legal_entity = payment_entries.legal_entity
        and recorded_payments.journal_code = payment_entries.journal_code
        and recorded_payments.fiscal_year = payment_entries.fiscal_year
        and recorded_payments.entry_number = payment_entries.entry_number
left join taken_back
    on recorded_payments.legal_entity = taken_back.legal_entity
        and recorded_payments.journal_code = taken_back.journal_code
        and recorded_payments.fiscal_year = taken_back.fiscal_year
        and recorded_payments.entry_number = taken_back.entry_number
