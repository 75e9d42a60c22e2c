-- The payment entries that cancelled orders take back: one row per line, sides swapped.
-- In: accepted_documents, known_documents, known_payments, stored_lines. Out: cancelled_payments.
-- Spec: section 6 (an order is contra-passed for every employee, but for those whom the bank returned).
with

cancelled_orders as (
    select
        accepted_documents.document,
        accepted_documents.version,
        accepted_documents.event_date,
        known_documents.posted_run,
        known_documents.legal_entity
    from accepted_documents
    inner join known_documents
        on known_documents.document_kind = 'payment_order'
            and accepted_documents.document = known_documents.document
    where
        accepted_documents.document_kind = 'payment_order'
        and accepted_documents.is_cancelled
        and known_documents.posted_run is not null
),

returned_payments as (
    select
        payment_order,
        employee
    from known_payments
    where status = 'returned'
)

select
    cancelled_orders.version,
    cancelled_orders.event_date,
    stored_lines.*
from cancelled_orders
inner join stored_lines
    on stored_lines.document_kind = 'payment_order'
        and cancelled_orders.document = stored_lines.document
        and cancelled_orders.legal_entity = stored_lines.legal_entity
        and cancelled_orders.posted_run = stored_lines.run
anti join returned_payments
    on stored_lines.document = returned_payments.payment_order and stored_lines.employee = returned_payments.employee
where not stored_lines.reversal
