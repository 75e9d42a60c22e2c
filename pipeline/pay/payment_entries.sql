-- The payment entries that returns may take back, stored ones and this run's: one row per entry.
-- In: returnable_payments, old_entries, entries. Out: payment_entries.
with

stored_entries as (
    select distinct
        old_entries.entry_id,
        returnable_payments.legal_entity,
        returnable_payments.journal_code,
        returnable_payments.document,
        returnable_payments.employee,
        returnable_payments.currency,
        returnable_payments.entry_number,
        returnable_payments.fiscal_year
    from returnable_payments
    inner join old_entries
        on returnable_payments.legal_entity = old_entries.legal_entity
            and returnable_payments.journal_code = old_entries.journal_code
            and returnable_payments.fiscal_year = old_entries.fiscal_year
            and returnable_payments.entry_number = old_entries.entry_number
),

new_entries as (
    select
        entry_id,
        legal_entity,
        journal_code,
        document,
        employee,
        currency,
        null::bigint as entry_number,
        null::integer as fiscal_year
    from entries
    where document_kind = 'payment_order' and not reversal
)

select * from stored_entries
union all
select * from new_entries
