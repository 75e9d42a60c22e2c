-- The accepted reports and advances with what becomes of them: one row per document.
-- In: accepted_documents, entity_changes. Out: posted_documents (fate posted or unchanged). Spec: section 3.
with

changes as (
    select
        document_kind,
        document,
        bool_or(is_changed) as is_changed
    from entity_changes
    group by document_kind, document
)

select
    accepted_documents.*,
    if(accepted_documents.was_posted and not coalesce(changes.is_changed, false), 'unchanged', 'posted') as fate
from accepted_documents
left join changes
    on accepted_documents.document_kind = changes.document_kind
        and accepted_documents.document = changes.document
where accepted_documents.document_kind <> 'payment_order'
