-- What becomes of each document of a run: one row per document that the batch brings or that waits in quarantine.
-- In: document_rows, known_documents. Out: document_fates. Spec: section 3.
-- fate: superseded, unchanged, conflict, ignored or judge; version and origin name the rows that speak for the
-- document.
with

readable_rows as (
    select
        document_kind,
        document,
        version,
        origin,
        is_header,
        status,
        values_hash,
        core_hash
    from document_rows
    where document is not null and version is not null and origin in ('batch', 'waiting')
),

highest_versions as (
    select
        document_kind,
        document,
        max(version) as version
    from readable_rows
    where is_header
    group by document_kind, document
),

headers_by_origin as (
    select
        readable_rows.document_kind,
        readable_rows.document,
        readable_rows.version,
        readable_rows.origin,
        min(readable_rows.status) as status,
        bool_and(coalesce(readable_rows.status = 'draft', false)) as is_draft,
        bool_and(coalesce(readable_rows.status = 'cancelled', false)) as is_cancelled
    from readable_rows
    inner join highest_versions
        on readable_rows.document_kind = highest_versions.document_kind
            and readable_rows.document = highest_versions.document
            and readable_rows.version = highest_versions.version
    where readable_rows.is_header
    group by readable_rows.document_kind, readable_rows.document, readable_rows.version, readable_rows.origin
),

-- Sent again while it waits, a version replaces what waits, its status too.
chosen_headers as (
    select *
    from headers_by_origin
    qualify row_number() over (partition by document_kind, document order by origin) = 1
),

document_digests as (
    select
        readable_rows.document_kind,
        readable_rows.document,
        count(*)::varchar || '-' || sum(readable_rows.values_hash::hugeint)::varchar as values_digest,
        count(*)::varchar || '-' || sum(readable_rows.core_hash::hugeint)::varchar as core_digest
    from readable_rows
    inner join chosen_headers
        on readable_rows.document_kind = chosen_headers.document_kind
            and readable_rows.document = chosen_headers.document
            and readable_rows.version = chosen_headers.version
            and readable_rows.origin = chosen_headers.origin
    group by readable_rows.document_kind, readable_rows.document
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
        document_digests.values_digest,
        document_digests.core_digest,
        coalesce(known.is_posted, false) as was_posted,
        case
            when known.version > chosen_headers.version then 'superseded'
            when known.version = chosen_headers.version
                then if(known.values_digest = document_digests.values_digest, 'unchanged', 'conflict')
            when chosen_headers.is_draft then 'ignored'
            when known.is_posted
                and known.core_digest = document_digests.core_digest
                and known.status <> 'cancelled'
                and not chosen_headers.is_cancelled
                then 'unchanged'
            else 'judge'
        end as fate
    from chosen_headers
    inner join document_digests
        on chosen_headers.document_kind = document_digests.document_kind
            and chosen_headers.document = document_digests.document
    left join known
        on chosen_headers.document_kind = known.document_kind
            and chosen_headers.document = known.document
)

select * from document_fates
