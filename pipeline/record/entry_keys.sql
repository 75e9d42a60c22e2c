-- The keys by which the ledger knows the entries of this run: one row per entry, new or touched.
-- In: numbered_entries, old_entries. Out: entry_keys.
select
    entry_id,
    legal_entity,
    journal_code,
    fiscal_year,
    entry_number::bigint as entry_number
from numbered_entries

union all

select
    entry_id,
    legal_entity,
    journal_code,
    fiscal_year,
    entry_number
from old_entries
