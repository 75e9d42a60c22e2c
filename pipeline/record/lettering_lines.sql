-- The lines that the run letters, with what it takes to open them again: one row per (lettering, line).
-- In: new_members, entry_keys. Out: rows of the stored kind `lettering_lines`. Spec: sections 5 and 7.
select
    $run::bigint as run,
    new_members.legal_entity,
    new_members.employee,
    new_members.lettering,
    entry_keys.journal_code,
    entry_keys.fiscal_year,
    entry_keys.entry_number,
    new_members.line_number,
    new_members.entry_date,
    new_members.document_kind,
    new_members.document,
    new_members.account,
    new_members.auxiliary,
    new_members.owed,
    coalesce(new_members.reverses, reversed_keys.entry_number) as reverses,
    coalesce(new_members.reverses_fiscal_year, reversed_keys.fiscal_year) as reverses_fiscal_year
from new_members
inner join entry_keys on new_members.entry_id = entry_keys.entry_id
left join entry_keys as reversed_keys on new_members.reverses_entry_id = reversed_keys.entry_id
order by
    new_members.legal_entity,
    new_members.employee,
    new_members.lettering,
    entry_keys.journal_code,
    entry_keys.fiscal_year,
    entry_keys.entry_number,
    new_members.line_number
