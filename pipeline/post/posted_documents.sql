-- The accepted reports and advances with what becomes of them: one row per document.
-- In: accepted_documents, entity_changes. Out: posted_documents (fate posted or unchanged). Spec: section 3.
with

changes as (
    select
        document_id,
        bool_or(is_changed) as is_changed
    from entity_changes
    group by document_id
)

select
    accepted_documents.*,
    if(accepted_documents.was_posted and not coalesce(changes.is_changed, false), 'unchanged', 'posted') as fate
from accepted_documents
left join changes on accepted_documents.document_id = changes.document_id
where accepted_documents.document_kind <> 'payment_order'
