-- The postings whose lines this run may take back: one row per (document, run that posted it).
-- In: entity_changes, accepted_documents, known_documents, known_payments. Out: wanted_lines. Spec: section 4.
select distinct
    document_kind,
    document,
    posted_run as run
from entity_changes
where is_changed and posted_run is not null

union

select distinct
    known_documents.document_kind,
    known_documents.document,
    known_documents.posted_run as run
from accepted_documents
inner join known_documents
    on accepted_documents.document_kind = known_documents.document_kind
        and accepted_documents.document = known_documents.document
where
    accepted_documents.document_kind = 'payment_order'
    and accepted_documents.is_cancelled
    and known_documents.posted_run is not null

union

select distinct
    'payment_order' as document_kind,
    payment_order as document,
    run
from known_payments
where status = 'paid'
