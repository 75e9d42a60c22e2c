-- The last number given in each series that the run adds to: one row per series.
-- In: entry_numbers. Out: rows of the stored kind `series`. Spec: section 4, "Numbering".
select
    $run::bigint as run,
    legal_entity,
    journal_code,
    fiscal_year,
    max(entry_number)::bigint as last_number
from entry_numbers
group by legal_entity, journal_code, fiscal_year
order by legal_entity, journal_code, fiscal_year
