-- The lines of the letterings: one row per (lettering, line).
-- In: stored_lettering_lines. Out: lettering_lines. Spec: section 7.
select
    legal_entity,
    employee,
    lettering,
    journal_code,
    fiscal_year,
    entry_number,
    line_number
from stored_lettering_lines
