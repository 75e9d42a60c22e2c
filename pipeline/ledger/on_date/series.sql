-- How many entries of each series are dated up to a day: one row per (legal entity, journal code, fiscal year).
-- last_number counts them: numbers follow the runs, so that those of a day need not be the first ones.
-- In: stored_entry_lines. Out: stored_series. Spec: section 4.
select
    max(run) as run,
    legal_entity,
    journal_code,
    fiscal_year,
    count(distinct entry_number) as last_number
from stored_entry_lines
group by legal_entity, journal_code, fiscal_year
