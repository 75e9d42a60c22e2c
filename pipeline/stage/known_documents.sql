-- What the ledger knows of the documents that the batch brings or that wait: one row per (document, legal entity).
-- In: known_document_runs, stored_documents. Out: known_documents. Spec: section 3.
with

documents as (
    select stored_documents.*
    from stored_documents
    semi join known_document_runs
        on stored_documents.document_kind = known_document_runs.document_kind
            and stored_documents.document = known_document_runs.document
            and stored_documents.run = known_document_runs.run
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
