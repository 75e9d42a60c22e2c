-- What an export holds: one row per (journal code, fiscal year, month of the posting date).
-- In: selected_entries, stored_entry_lines. Out: export_totals. Spec: section 6, "Exports".
select
    stored_entry_lines.journal_code,
    stored_entry_lines.fiscal_year,
    date_trunc('month', stored_entry_lines.entry_date)::date as month_on,
    count(distinct stored_entry_lines.entry_number) as entries,
    count(*) as lines,
    sum(stored_entry_lines.debit)::decimal(18, 4) as debit,
    sum(stored_entry_lines.credit)::decimal(18, 4) as credit,
    min(stored_entry_lines.entry_number) as first_number,
    max(stored_entry_lines.entry_number) as last_number,
    min(stored_entry_lines.entry_date) as first_entry_date,
    max(stored_entry_lines.entry_date) as last_entry_date
from stored_entry_lines
semi join selected_entries
    on stored_entry_lines.legal_entity = selected_entries.legal_entity
        and stored_entry_lines.journal_code = selected_entries.journal_code
        and stored_entry_lines.fiscal_year = selected_entries.fiscal_year
        and stored_entry_lines.entry_number = selected_entries.entry_number
group by
    stored_entry_lines.journal_code,
    stored_entry_lines.fiscal_year,
    date_trunc('month', stored_entry_lines.entry_date)
order by stored_entry_lines.journal_code, stored_entry_lines.fiscal_year, month_on
