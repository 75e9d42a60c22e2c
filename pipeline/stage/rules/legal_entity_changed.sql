-- A posted advance or order restated in another legal entity.
-- In: judged_advances, judged_payment_orders, known_documents. Out: findings. Spec: section 3.
with

documents as (
    select
        'advances' as table_name,
        'advance' as document_kind,
        advance as document,
        row_id,
        legal_entity
    from judged_advances

    union all

    select
        'payment_orders' as table_name,
        'payment_order' as document_kind,
        payment_order as document,
        row_id,
        legal_entity
    from judged_payment_orders
),

posted_documents as (
    select distinct
        document_kind,
        document,
        legal_entity
    from known_documents
    where posted_run is not null
)

select
    documents.table_name,
    documents.row_id,
    'legal_entity' as column_name,
    documents.legal_entity as value,
    'the document is posted in ' || posted_documents.legal_entity || ': cancel it and make a new one in '
    || documents.legal_entity as message
from documents
inner join posted_documents
    on documents.document_kind = posted_documents.document_kind and documents.document = posted_documents.document
where documents.legal_entity <> posted_documents.legal_entity
