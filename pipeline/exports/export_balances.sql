-- The balance of what an export holds: one row per (account, auxiliary).
-- In: selected_entries, stored_entry_lines. Out: export_balances. Spec: section 6, "Exports".
select
    stored_entry_lines.account,
    stored_entry_lines.auxiliary,
    sum(stored_entry_lines.debit)::decimal(18, 4) as debit,
    sum(stored_entry_lines.credit)::decimal(18, 4) as credit,
    (sum(stored_entry_lines.debit) - sum(stored_entry_lines.credit))::decimal(18, 4) as balance
from stored_entry_lines
semi join selected_entries
    on stored_entry_lines.legal_entity = selected_entries.legal_entity
        and stored_entry_lines.journal_code = selected_entries.journal_code
        and stored_entry_lines.fiscal_year = selected_entries.fiscal_year
        and stored_entry_lines.entry_number = selected_entries.entry_number
group by stored_entry_lines.account, stored_entry_lines.auxiliary
order by stored_entry_lines.account, stored_entry_lines.auxiliary nulls first
