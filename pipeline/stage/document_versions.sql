-- What the rows of each version of a document say together: one row per (document, version, origin).
-- version is null for rows whose version cannot be read. is_draft, is_cancelled: of all of its header rows.
-- In: document_rows. Out: document_versions. Spec: section 3.
select
    document_kind,
    document,
    version,
    origin,
    count(*) as row_count,
    sum(values_hash::hugeint) as values_sum,
    sum(core_hash::hugeint) as core_sum,
    bool_or(is_header) as has_header,
    min(status) as status,
    bool_and(not is_header or coalesce(status = 'draft', false)) as is_draft,
    bool_and(not is_header or coalesce(status = 'cancelled', false)) as is_cancelled
from document_rows
where document is not null
group by document_kind, document, version, origin
