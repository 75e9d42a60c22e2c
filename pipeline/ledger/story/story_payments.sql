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
),

first_changes as (
    select *
    from payment_changes
    qualify row_number() over (partition by payment_order, employee order by run) = 1
),

-- A payment that came back in the run that made it is recorded once, as returned: it was paid all the same.
payments_told as (
    select * from payment_changes

    union all by name

    select * replace ('paid' as status)
    from first_changes
    where status <> 'paid'
)

select
    payments_told.run,
    payments_told.payment_order,
    payments_told.legal_entity,
    payments_told.employee,
    payments_told.amount,
    payments_told.iban,
    payments_told.journal_code,
    payments_told.fiscal_year,
    payments_told.entry_number,
    payments_told.status,
    stored_letterings.lettered_on as paid_on,
    stored_payment_returns.returned_on,
    stored_payment_returns.reason
from payments_told
left join stored_letterings
    on payments_told.legal_entity = stored_letterings.legal_entity
        and payments_told.employee = stored_letterings.employee
        and payments_told.payment_order = stored_letterings.payment_order
left join stored_payment_returns
    on payments_told.status = 'returned'
        and payments_told.payment_order = stored_payment_returns.payment_order
        and payments_told.employee = stored_payment_returns.employee
