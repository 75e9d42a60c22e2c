-- The payments of the orders that the batch restates or returns: one row per (order, employee).
-- In: document_rows, staged_payment_returns, stored_payments. Out: known_payments. Spec: section 6.
with

present_orders as (
    select distinct document as payment_order
    from document_rows
    where document_kind = 'payment_order' and document is not null

    union

    select distinct payment_order
    from staged_payment_returns
    where payment_order is not null
)

select stored_payments.*
from stored_payments
semi join present_orders on stored_payments.payment_order = present_orders.payment_order
where in_part(stored_payments.employee)
qualify
    row_number() over (
        partition by stored_payments.payment_order, stored_payments.employee
        order by stored_payments.run desc
    ) = 1
