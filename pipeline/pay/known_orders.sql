-- The orders that returns may be of, as this run leaves them: one row per order that is or was paid.
-- In: known_documents, accepted_documents, document_fates. Out: known_orders. Spec: section 6.
with

taken_over as (
    select
        document,
        version
    from document_fates
    where document_kind = 'payment_order' and fate = 'unchanged'
),

orders as (
    select
        known_documents.document as payment_order,
        known_documents.legal_entity,
        greatest(known_documents.version, taken_over.version) as version,
        known_documents.event_date,
        0 as rank
    from known_documents
    left join taken_over on known_documents.document = taken_over.document
    where known_documents.document_kind = 'payment_order' and known_documents.posted_run is not null

    union all

    select
        document as payment_order,
        legal_entity,
        version,
        event_date,
        1 as rank
    from accepted_documents
    where document_kind = 'payment_order'
)

select *
from orders
qualify row_number() over (partition by payment_order order by rank desc) = 1
