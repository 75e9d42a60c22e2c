-- The entries of a name LEGAL_ENTITY/JOURNAL_CODE/FISCAL_YEAR/NUMBER: one row per entry.
-- Codes may hold a slash of their own, so that one name can be that of several entries: $series is held against the
-- codes of the ledger, never taken apart.
-- In: stored_entry_lines. Out: named_entries. Spec: section 4, "Numbering".
select distinct
    legal_entity,
    journal_code,
    fiscal_year,
    entry_number
from stored_entry_lines
where
    fiscal_year = $fiscal_year
    and entry_number = $entry_number
    and legal_entity || '/' || journal_code = $series
    and ($legal_entity::varchar is null or legal_entity = $legal_entity)
order by legal_entity, journal_code
