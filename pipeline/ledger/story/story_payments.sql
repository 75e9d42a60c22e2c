-- The payments that the story's letterings and entries are of, change by change: one row per change of a payment.
-- In: stored_payments, stored_payment_returns, stored_letterings, story_letterings, story_entries. Out: story_payments.
-- Spec: section 6.
with

lettering_orders as (
    select distinct
        legal_entity,
        payment_order,
        employee
    from story_letterings
),

payment_changes as (
    select stored_payments.*
    from stored_payments
    semi join lettering_orders
        on stored_payments.legal_entity = lettering_orders.legal_entity
            and stored_payments.payment_order = lettering_orders.payment_order
            and stored_payments.employee = lettering_orders.employee

    union by name

    select stored_payments.*
    from stored_payments
    semi join story_entries
        on stored_payments.legal_entity = story_entries.legal_entity
            and stored_payments.journal_code = story_entries.journal_code
            and stored_payments.fiscal_year = story_entries.fiscal_year
            and stored_payments.entry_number = story_entries.entry_number
)

select
    payment_changes.run,
    payment_changes.payment_order,
    payment_changes.legal_entity,
    payment_changes.employee,
    payment_changes.amount,
    payment_changes.iban,
    payment_changes.journal_code,
    payment_changes.fiscal_year,
    payment_changes.entry_number,
    payment_changes.status,
    stored_letterings.lettered_on as paid_on,
    stored_payment_returns.returned_on,
    stored_payment_returns.reason
from payment_changes
left join stored_letterings
    on payment_changes.legal_entity = stored_letterings.legal_entity
        and payment_changes.employee = stored_letterings.employee
        and payment_changes.payment_order = stored_letterings.payment_order
left join stored_payment_returns
    on payment_changes.status = 'returned'
        and payment_changes.payment_order = stored_payment_returns.payment_order
        and payment_changes.employee = stored_payment_returns.employee
