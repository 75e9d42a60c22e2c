-- Entries whose debits and credits differ, or that mix currencies, dates or documents: one row per entry.
-- In: stored_entry_lines. Out: violations. Spec: section 8.
select
    legal_entity,
    journal_code,
    fiscal_year,
    entry_number,
    sum(debit) as debit,
    sum(credit) as credit
from stored_entry_lines
group by legal_entity, journal_code, fiscal_year, entry_number
having
    sum(debit) <> sum(credit)
    or min(currency) <> max(currency)
    or min(entry_date) <> max(entry_date)
    or min(document) <> max(document)
    or min(employee) <> max(employee)
    or min(run) <> max(run)
    or count(*) <> max(line_number)
    or count(distinct line_number) <> count(*)
order by legal_entity, journal_code, fiscal_year, entry_number
