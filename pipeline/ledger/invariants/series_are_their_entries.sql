-- Series whose kept last number is not that of their entries: one row per series.
-- In: stored_entry_lines, stored_series. Out: violations. Spec: section 4, "Numbering".
with

given_numbers as (
    select
        legal_entity,
        journal_code,
        fiscal_year,
        max(entry_number) as last_number
    from stored_entry_lines
    group by legal_entity, journal_code, fiscal_year
),

kept_numbers as (
    select
        legal_entity,
        journal_code,
        fiscal_year,
        max(last_number) as last_number
    from stored_series
    group by legal_entity, journal_code, fiscal_year
)

select
    coalesce(given_numbers.legal_entity, kept_numbers.legal_entity) as legal_entity,
    coalesce(given_numbers.journal_code, kept_numbers.journal_code) as journal_code,
    coalesce(given_numbers.fiscal_year, kept_numbers.fiscal_year) as fiscal_year,
    given_numbers.last_number,
    kept_numbers.last_number as kept
from given_numbers
full join kept_numbers
    on given_numbers.legal_entity = kept_numbers.legal_entity
        and given_numbers.journal_code = kept_numbers.journal_code
        and given_numbers.fiscal_year = kept_numbers.fiscal_year
where given_numbers.last_number is distinct from kept_numbers.last_number
