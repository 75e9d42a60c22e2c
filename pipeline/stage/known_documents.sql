-- What the ledger knows of the documents that the batch brings or that wait: one row per (document, legal entity).
-- In: document_rows, staged_payment_returns, stored_documents. Out: known_documents. Spec: section 3.
with

present_documents as (
    select distinct
        document_kind,
        document
    from document_rows
    where document is not null

    union

    select
        'payment_order' as document_kind,
        payment_order as document
    from staged_payment_returns
    where payment_order is not null
),

documents as (
    select stored_documents.*
    from stored_documents
    semi join present_documents
        on stored_documents.document_kind = present_documents.document_kind
            and stored_documents.document = present_documents.document
    qualify
        row_number() over (
            partition by
                stored_documents.document_kind, stored_documents.document, stored_documents.legal_entity
            order by stored_documents.run desc
        ) = 1
)

select *
from documents
where state <> 'superseded'
