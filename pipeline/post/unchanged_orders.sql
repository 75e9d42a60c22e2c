-- The cancellations of orders that are cancelled already: there is nothing left to take back. One row per order.
-- In: accepted_documents, known_documents. Out: unchanged_orders. Spec: section 3.
select
    accepted_documents.document,
    accepted_documents.version,
    accepted_documents.status
from accepted_documents
inner join known_documents
    on known_documents.document_kind = 'payment_order'
        and accepted_documents.document = known_documents.document
where
    accepted_documents.document_kind = 'payment_order'
    and accepted_documents.is_cancelled
    and known_documents.status = 'cancelled'
