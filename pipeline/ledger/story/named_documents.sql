-- The documents of an id: one row per kind of document; posted, waiting, or known by its findings alone.
-- In: stored_documents, document_findings. Out: named_documents. Spec: sections 3 and 7.
with

seen_documents as (
    select
        document_kind,
        document,
        legal_entity
    from stored_documents
    where document = $what

    union all

    select
        document_kind,
        document,
        null as legal_entity
    from document_findings
)

select
    document_kind,
    document
from seen_documents
where $legal_entity::varchar is null or legal_entity is null or legal_entity = $legal_entity
group by document_kind, document
order by document_kind
