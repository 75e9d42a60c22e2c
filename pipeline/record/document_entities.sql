-- The legal entity that an advance or an order names: one row per document.
-- In: staged_advances, staged_payment_orders, row_fates. Out: document_entities.
with

headers as (
    select
        'advances' as table_name,
        row_id,
        'advance' as document_kind,
        advance as document,
        legal_entity
    from staged_advances

    union all

    select
        'payment_orders' as table_name,
        row_id,
        'payment_order' as document_kind,
        payment_order as document,
        legal_entity
    from staged_payment_orders
)

select
    headers.document_kind,
    headers.document,
    min(headers.legal_entity) as legal_entity
from headers
left join row_fates
    on headers.table_name = row_fates.table_name and headers.row_id = row_fates.row_id
where coalesce(row_fates.fate, 'judge') in ('judge', 'conflict', 'ignored')
group by headers.document_kind, headers.document
