-- A payment order in a legal entity whose payments are made by its accounting exports.
-- An export makes its own.
-- In: active_payment_orders, legal_entities, export_orders. Out: findings. Spec: sections 3 and 6.
select
    'payment_orders' as table_name,
    active_payment_orders.row_id,
    'legal_entity' as column_name,
    active_payment_orders.legal_entity as value,
    'payment_mode of ' || active_payment_orders.legal_entity
    || ' is at_export: its exports make the payments, orders are not for it' as message
from active_payment_orders
inner join legal_entities on active_payment_orders.legal_entity = legal_entities.legal_entity
anti join export_orders on active_payment_orders.payment_order = export_orders.payment_order
where legal_entities.payment_mode = 'at_export'
