-- The last number given in each series: one row per (legal entity, journal code, fiscal year).
-- In: stored_series. Out: last_numbers. Spec: section 4, "Numbering".
select
    legal_entity,
    journal_code,
    fiscal_year,
    max(last_number) as last_number
from stored_series
group by legal_entity, journal_code, fiscal_year
