-- The run that last changed each present document in a legal entity: one row per (document, legal entity).
-- It reads three columns of the ledger's documents; the others are read where there is something to be found.
-- In: present_documents, stored_documents. Out: known_document_runs. Spec: section 3.
select
    stored_documents.document_kind,
    stored_documents.document,
    stored_documents.legal_entity,
    max(stored_documents.run) as run
from stored_documents
semi join present_documents
    on stored_documents.document_kind = present_documents.document_kind
        and stored_documents.document = present_documents.document
group by stored_documents.document_kind, stored_documents.document, stored_documents.legal_entity
