-- Expenses, advances and orders of a legal entity that is not in the table of legal entities.
-- Of an expense: the one it keeps, names, or has by its employee's affiliation.
-- In: placed_expenses, active_advances, active_payment_orders, legal_entities. Out: findings. Spec: sections 3 and 4.
with

placements as (
    select
        'expenses' as table_name,
        row_id,
        legal_entity
    from placed_expenses
    where not is_cancelled

    union all

    select
        'advances' as table_name,
        row_id,
        legal_entity
    from active_advances

    union all

    select
        'payment_orders' as table_name,
        row_id,
        legal_entity
    from active_payment_orders
)

select
    placements.table_name,
    placements.row_id,
    'legal_entity' as column_name,
    placements.legal_entity as value,
    'there is no legal entity ' || placements.legal_entity || ': add it to legal_entities, or mend the code' as message
from placements
anti join legal_entities on placements.legal_entity = legal_entities.legal_entity
where placements.legal_entity is not null
