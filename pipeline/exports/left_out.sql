-- What an export leaves in the ledger, and why: one row per (fate, journal, account).
-- In: entry_fates, stored_entry_lines. Out: left_out. Spec: section 6, "Exports".
select
    entry_fates.fate,
    stored_entry_lines.journal,
    stored_entry_lines.account,
    count(distinct {
        'journal_code': entry_fates.journal_code,
        'fiscal_year': entry_fates.fiscal_year,
        'entry_number': entry_fates.entry_number
    }) as entries,
    count(*) as lines,
    sum(stored_entry_lines.debit)::decimal(18, 4) as debit,
    sum(stored_entry_lines.credit)::decimal(18, 4) as credit
from stored_entry_lines
inner join entry_fates
    on stored_entry_lines.legal_entity = entry_fates.legal_entity
        and stored_entry_lines.journal_code = entry_fates.journal_code
        and stored_entry_lines.fiscal_year = entry_fates.fiscal_year
        and stored_entry_lines.entry_number = entry_fates.entry_number
where entry_fates.fate in ('left_out', 'held_back')
group by entry_fates.fate, stored_entry_lines.journal, stored_entry_lines.account
order by entry_fates.fate, stored_entry_lines.journal, stored_entry_lines.account
