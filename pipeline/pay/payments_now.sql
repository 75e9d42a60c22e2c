-- The stored payments that this run cancels or may return: one row per payment.
-- In: known_payments, cancelled_payments, old_entries. Out: payments_now. Spec: section 6.
with

cancelled_orders as (
    select distinct document
    from cancelled_payments
)

select
    known_payments.payment_order,
    known_payments.legal_entity,
    known_payments.employee,
    known_payments.amount,
    known_payments.iban,
    old_entries.entry_id,
    if(cancelled_orders.document is not null and known_payments.status = 'paid', 'cancelled', known_payments.status)
        as status,
    cancelled_orders.document is not null and known_payments.status = 'paid' as is_changed
from known_payments
inner join old_entries
    on known_payments.legal_entity = old_entries.legal_entity
        and known_payments.journal_code = old_entries.journal_code
        and known_payments.fiscal_year = old_entries.fiscal_year
        and known_payments.entry_number = old_entries.entry_number
left join cancelled_orders on known_payments.payment_order = cancelled_orders.document
