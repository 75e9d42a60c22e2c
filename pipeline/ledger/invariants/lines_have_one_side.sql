-- Lines that have both sides or none, or an amount below 0: one row per line.
-- In: stored_entry_lines. Out: violations. Spec: section 7.
select
    legal_entity,
    journal_code,
    fiscal_year,
    entry_number,
    line_number,
    debit,
    credit
from stored_entry_lines
where (debit = 0) = (credit = 0) or debit < 0 or credit < 0
