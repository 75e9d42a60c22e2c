-- The lines of an entry: one row per line.
-- In: stored_entry_lines. Out: story_lines. Spec: section 7.
select * from stored_entry_lines
where
    legal_entity = $legal_entity
    and journal_code = $journal_code
    and fiscal_year = $fiscal_year
    and entry_number = $entry_number
