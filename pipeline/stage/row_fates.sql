-- What becomes of the rows that are not judged: one row per row of a document's tables that is not.
-- In: document_rows, document_versions, document_fates. Out: row_fates. Spec: section 3.
-- fate: that of its document, or superseded, orphan (new), waiting_orphan, alone (new), waiting_alone.
with

batch_headers as (
    select
        document_kind,
        document,
        max(version) as version
    from document_versions
    where has_header and origin = 'batch' and version is not null
    group by document_kind, document
),

version_fates as (
    select
        document_versions.document_kind,
        document_versions.document,
        document_versions.version,
        document_versions.origin,
        case
            when document_fates.document is null then 'orphan'
            when document_versions.version = document_fates.version
                and document_versions.origin = document_fates.origin
                then document_fates.fate
            when document_versions.version < document_fates.version then 'superseded'
            when document_versions.version = document_fates.version and document_versions.origin = 'waiting'
                then 'superseded'
            else 'orphan'
        end as fate
    from document_versions
    left join document_fates
        on document_versions.document_kind = document_fates.document_kind
            and document_versions.document = document_fates.document
    where document_versions.version is not null and document_versions.origin in ('batch', 'waiting')
),

placed_rows as (
    select
        document_rows.table_name,
        document_rows.row_id,
        document_rows.document_kind,
        document_rows.document,
        document_rows.version,
        document_rows.origin,
        document_rows.values_hash,
        version_fates.fate
    from document_rows
    inner join version_fates
        on document_rows.document_kind = version_fates.document_kind
            and document_rows.document = version_fates.document
            and document_rows.version = version_fates.version
            and document_rows.origin = version_fates.origin
    where version_fates.fate <> 'judge'

    union all

    select
        table_name,
        row_id,
        document_kind,
        document,
        version,
        origin,
        values_hash,
        if(origin in ('waiting_orphan', 'waiting_alone'), origin, 'alone') as fate
    from document_rows
    where document is null or version is null or origin in ('waiting_orphan', 'waiting_alone')
),

new_orphans as (
    select distinct
        table_name,
        document_kind,
        document,
        version
    from placed_rows
    where fate = 'orphan'
),

new_loners as (
    select distinct
        table_name,
        values_hash
    from placed_rows
    where fate = 'alone'
),

-- What waits by itself gives way to a batch that restates its document, or that sends the same row again.
row_fates as (
    select
        placed_rows.table_name,
        placed_rows.row_id,
        placed_rows.origin,
        case
            when placed_rows.fate = 'waiting_orphan'
                and (coalesce(placed_rows.version, 0) <= batch_headers.version or new_orphans.document is not null)
                then 'superseded'
            when placed_rows.fate = 'waiting_alone' and new_loners.table_name is not null then 'superseded'
            else placed_rows.fate
        end as fate
    from placed_rows
    left join batch_headers
        on placed_rows.fate = 'waiting_orphan'
            and placed_rows.document_kind = batch_headers.document_kind
            and placed_rows.document = batch_headers.document
    left join new_orphans
        on placed_rows.fate = 'waiting_orphan'
            and placed_rows.table_name = new_orphans.table_name
            and placed_rows.document_kind = new_orphans.document_kind
            and placed_rows.document = new_orphans.document
            and placed_rows.version is not distinct from new_orphans.version
    left join new_loners
        on placed_rows.fate = 'waiting_alone'
            and placed_rows.table_name = new_loners.table_name
            and placed_rows.values_hash = new_loners.values_hash
)

select * from row_fates
