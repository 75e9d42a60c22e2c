-- An order that was paid restated with a change, or made active again after it was cancelled.
-- In: active_payment_orders, known_documents. Out: findings. Spec: section 3.
with

paid_orders as (
    select distinct
        document,
        legal_entity
    from known_documents
    where document_kind = 'payment_order' and posted_run is not null
)

select
    'payment_orders' as table_name,
    active_payment_orders.row_id,
    'version' as column_name,
    active_payment_orders.version::varchar as value,
    'the order is paid: cancel it, and pay by a new order' as message
from active_payment_orders
inner join paid_orders
    on active_payment_orders.payment_order = paid_orders.document
        and active_payment_orders.legal_entity = paid_orders.legal_entity
