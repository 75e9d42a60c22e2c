-- Series in which a number is missing or given twice: one row per series.
-- In: stored_entry_lines. Out: violations. Spec: sections 4 and 8.
with

entries as (
    select
        legal_entity,
        journal_code,
        fiscal_year,
        entry_number,
        count(distinct journal || document_kind || document || reversal || coalesce(payment_method, '')) as entries
    from stored_entry_lines
    group by legal_entity, journal_code, fiscal_year, entry_number
)

select
    legal_entity,
    journal_code,
    fiscal_year,
    min(entry_number) as first_number,
    max(entry_number) as last_number,
    count(*) as numbers
from entries
group by legal_entity, journal_code, fiscal_year
having min(entry_number) <> 1 or max(entry_number) <> count(*) or max(entries) > 1
order by legal_entity, journal_code, fiscal_year
