-- The cancellations of documents of which nothing was ever posted: one row per document.
-- In: document_fates, quarantined_documents. Out: ignored_cancellations. Spec: section 3.
select
    document_fates.document_kind,
    document_fates.document,
    document_fates.version,
    document_fates.status
from document_fates
anti join quarantined_documents
    on document_fates.document_kind = quarantined_documents.document_kind
        and document_fates.document = quarantined_documents.document
where document_fates.fate = 'judge' and document_fates.is_cancelled and not document_fates.was_posted
