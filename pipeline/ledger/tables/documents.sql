-- The documents as they stand: one row per (document, legal entity).
-- In: stored_documents. Out: documents. Spec: section 7.
with

latest_rows as (
    select
        document_kind,
        document,
        legal_entity,
        version,
        status,
        first_run,
        last_run,
        state
    from stored_documents
    qualify row_number() over (partition by document_kind, document, legal_entity order by run desc) = 1
)

select * from latest_rows
where state <> 'superseded'
