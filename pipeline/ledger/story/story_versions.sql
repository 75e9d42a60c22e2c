-- What became of a document, run by run: one row per (run, legal entity) in which something of it changed. A document
-- that waits is written again by each run that tries it; these rows say nothing new. $run: that run alone, or null.
-- (A row of state 'superseded' hides one of a document that the same run puts elsewhere, and is no event.)
-- In: stored_documents. Out: story_versions. Spec: section 3.
with

document_changes as (
    select
        run,
        document_kind,
        document,
        legal_entity,
        version,
        status,
        state,
        employee,
        event_date,
        posted_run,
        lag([version::varchar, status, state, posted_run::varchar]) over (
            partition by legal_entity order by run
        ) as said_before
    from stored_documents
    where
        document_kind = $document_kind
        and document = $document
        and ($legal_entity::varchar is null or legal_entity is null or legal_entity = $legal_entity)
        and ($run::bigint is null or run = $run)
)

select * exclude (said_before)
from document_changes
where
    state <> 'superseded'
    and [version::varchar, status, state, posted_run::varchar] is distinct from said_before
order by run, legal_entity
