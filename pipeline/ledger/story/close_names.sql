-- The ids of documents and employees that are nearly the one asked for: one row per id and kind, the nearest first.
-- In: stored_documents, stored_employee_state. Out: close_names.
with

ids as (
    select
        document as id,
        document_kind as kind
    from stored_documents

    union

    select
        employee as id,
        'employee' as kind
    from stored_employee_state
),

measured_ids as (
    select
        id,
        kind,
        levenshtein(lower(id), lower($what)) as distance
    from ids
)

select
    id,
    kind
from measured_ids
where distance <= greatest(1, length($what) // 4)
order by distance, id, kind
limit 5
