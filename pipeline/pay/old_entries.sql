-- The stored entries that have a part in this run's lettering: one row per entry, its id below 0.
-- In: stored_open, stored_members, touched_entries. Out: old_entries.
with

keys as (
    select
        legal_entity,
        journal_code,
        fiscal_year,
        entry_number
    from stored_open

    union

    select
        legal_entity,
        journal_code,
        fiscal_year,
        entry_number
    from stored_members

    union

    select
        legal_entity,
        journal_code,
        fiscal_year,
        entry_number
    from touched_entries
)

select
    *,
    -row_number() over () as entry_id
from keys
