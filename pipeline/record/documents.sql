-- The documents that the run touches, as they stand after it: one row per (document, legal entity).
-- A row of state 'superseded' hides an earlier row of its key, which says no more of its document.
-- In: known_documents, posted_documents, entity_changes, accepted_documents, ignored_cancellations, unchanged_orders,
--     document_fates, document_entities, quarantined_documents. Out: rows of the stored kind `documents`. Spec:
--     sections 3 and 7.
with

first_runs as (
    select
        document_kind,
        document,
        min(first_run) as first_run,
        bool_or(posted_run is not null) as is_posted
    from known_documents
    group by document_kind, document
),

-- Reports and advances that post, or whose new version says the same.
settled_documents as (
    select
        entity_changes.document_kind,
        entity_changes.document,
        entity_changes.legal_entity,
        posted_documents.version,
        posted_documents.status,
        posted_documents.employee,
        if(posted_documents.fate = 'posted', posted_documents.event_date, known_documents.event_date) as event_date,
        entity_changes.content_digest,
        if(
            entity_changes.posted_run is null or entity_changes.is_changed, $run::bigint, entity_changes.posted_run
        ) as posted_run
    from posted_documents
    inner join entity_changes
        on posted_documents.document_kind = entity_changes.document_kind
            and posted_documents.document = entity_changes.document
    left join known_documents
        on entity_changes.document_kind = known_documents.document_kind
            and entity_changes.document = known_documents.document
            and entity_changes.legal_entity = known_documents.legal_entity
            and known_documents.posted_run is not null
    -- A version that says nothing new adds no legal entity, though an expense of 0 may be new there.
    where posted_documents.fate = 'posted' or known_documents.document is not null
),

settled_orders as (
    select
        accepted_documents.document_kind,
        accepted_documents.document,
        accepted_documents.legal_entity,
        accepted_documents.version,
        accepted_documents.status,
        null::varchar as employee,
        accepted_documents.event_date,
        null::varchar as content_digest,
        $run::bigint as posted_run
    from accepted_documents
    anti join unchanged_orders on accepted_documents.document = unchanged_orders.document
    where accepted_documents.document_kind = 'payment_order'
),

-- A version taken over unjudged: nothing but its number, status and labels is new.
taken_over as (
    select
        known_documents.document_kind,
        known_documents.document,
        known_documents.legal_entity,
        document_fates.version,
        document_fates.status,
        known_documents.employee,
        known_documents.event_date,
        known_documents.content_digest,
        known_documents.posted_run
    from document_fates
    inner join known_documents
        on document_fates.document_kind = known_documents.document_kind
            and document_fates.document = known_documents.document
    left join unchanged_orders
        on document_fates.document_kind = 'payment_order' and document_fates.document = unchanged_orders.document
    where
        (document_fates.fate = 'unchanged' or unchanged_orders.document is not null)
        and known_documents.posted_run is not null
        and known_documents.version < document_fates.version
),

ignored_documents as (
    select
        ignored_cancellations.document_kind,
        ignored_cancellations.document,
        document_entities.legal_entity,
        ignored_cancellations.version,
        ignored_cancellations.status,
        null::varchar as employee,
        null::date as event_date,
        null::varchar as content_digest,
        null::bigint as posted_run
    from ignored_cancellations
    left join document_entities
        on ignored_cancellations.document_kind = document_entities.document_kind
            and ignored_cancellations.document = document_entities.document
),

waiting_documents as (
    select
        document_fates.document_kind,
        document_fates.document,
        document_entities.legal_entity,
        document_fates.version,
        document_fates.status,
        null::varchar as employee,
        null::date as event_date,
        null::varchar as content_digest,
        null::bigint as posted_run
    from document_fates
    inner join quarantined_documents
        on document_fates.document_kind = quarantined_documents.document_kind
            and document_fates.document = quarantined_documents.document
    left join document_entities
        on document_fates.document_kind = document_entities.document_kind
            and document_fates.document = document_entities.document
    left join first_runs
        on document_fates.document_kind = first_runs.document_kind
            and document_fates.document = first_runs.document
    where document_fates.fate = 'judge' and not coalesce(first_runs.is_posted, false)
),

touched_documents as (
    select
        *,
        if(status = 'cancelled', 'cancelled', 'posted') as state
    from settled_documents

    union all

    select
        *,
        if(status = 'cancelled', 'cancelled', 'posted') as state
    from settled_orders

    union all

    select
        *,
        if(status = 'cancelled', 'cancelled', 'posted') as state
    from taken_over

    union all

    select
        *,
        'cancelled' as state
    from ignored_documents

    union all

    select
        *,
        'quarantined' as state
    from waiting_documents
),

-- What stood for a document with nothing posted goes when the document is posted, ignored or placed elsewhere.
hidden_documents as (
    select
        known_documents.document_kind,
        known_documents.document,
        known_documents.legal_entity,
        known_documents.version,
        known_documents.status,
        known_documents.employee,
        known_documents.event_date,
        known_documents.content_digest,
        known_documents.posted_run,
        'superseded' as state
    from known_documents
    inner join document_fates
        on known_documents.document_kind = document_fates.document_kind
            and known_documents.document = document_fates.document
    anti join touched_documents
        on known_documents.document_kind = touched_documents.document_kind
            and known_documents.document = touched_documents.document
            and known_documents.legal_entity is not distinct from touched_documents.legal_entity
    where
        known_documents.posted_run is null
        and not (
            document_fates.fate in ('unchanged', 'superseded', 'conflict', 'ignored')
            and known_documents.state = 'cancelled'
        )
),

all_documents as (
    select * from touched_documents
    union all
    select * from hidden_documents
)

select
    $run::bigint as run,
    all_documents.document_kind,
    all_documents.document,
    all_documents.legal_entity,
    all_documents.version,
    all_documents.status,
    coalesce(first_runs.first_run, $run::bigint) as first_run,
    $run::bigint as last_run,
    all_documents.state,
    all_documents.employee,
    all_documents.event_date,
    document_fates.values_digest,
    document_fates.core_digest,
    all_documents.content_digest,
    all_documents.posted_run
from all_documents
inner join document_fates
    on all_documents.document_kind = document_fates.document_kind
        and all_documents.document = document_fates.document
left join first_runs
    on all_documents.document_kind = first_runs.document_kind
        and all_documents.document = first_runs.document
order by all_documents.document_kind, all_documents.document, all_documents.legal_entity
