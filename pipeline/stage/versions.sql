-- What becomes of each document of a run: one row per document that the batch brings or that waits in quarantine.
-- In: document_versions, known_documents. Out: document_fates. Spec: section 3.
-- fate: superseded, unchanged, conflict, ignored or judge; version and origin name the rows that speak for the
-- document.
with

headers as (
    select
        document_kind,
        document,
        version,
        origin,
        status,
        is_draft,
        is_cancelled,
        row_count::varchar || '-' || values_sum::varchar as values_digest,
        row_count::varchar || '-' || core_sum::varchar as core_digest
    from document_versions
    where has_header and version is not null and origin in ('batch', 'waiting')
),

-- The highest version counts. Sent again while it waits, a version replaces what waits, its status too.
chosen_headers as (
    select *
    from headers
    qualify row_number() over (partition by document_kind, document order by version desc, origin asc) = 1
),

-- Every row of a document in the ledger says the same of the document itself.
known as (
    select
        document_kind,
        document,
        any_value(version) as version,
        any_value(status) as status,
        any_value(values_digest) as values_digest,
        any_value(core_digest) as core_digest,
        bool_or(posted_run is not null) as is_posted
    from known_documents
    where state in ('posted', 'cancelled')
    group by document_kind, document
),

document_fates as (
    select
        chosen_headers.document_kind,
        chosen_headers.document,
        chosen_headers.version,
        chosen_headers.origin,
        chosen_headers.status,
        chosen_headers.is_cancelled,
        chosen_headers.values_digest,
        chosen_headers.core_digest,
        coalesce(known.is_posted, false) as was_posted,
        case
            when known.version > chosen_headers.version then 'superseded'
            when known.version = chosen_headers.version
                then if(known.values_digest = chosen_headers.values_digest, 'unchanged', 'conflict')
            when chosen_headers.is_draft then 'ignored'
            when known.is_posted
                and known.core_digest = chosen_headers.core_digest
                and known.status <> 'cancelled'
                and not chosen_headers.is_cancelled
                then 'unchanged'
            else 'judge'
        end as fate
    from chosen_headers
    left join known
        on chosen_headers.document_kind = known.document_kind
            and chosen_headers.document = known.document
)

select * from document_fates
