-- The lines of the letterings in force that a return may dissolve: one row per (lettering, line).
-- In: stored_members, touched_letterings, old_entries. Out: members.
select
    stored_members.legal_entity,
    stored_members.employee,
    stored_members.lettering,
    touched_letterings.lettered_on,
    old_entries.entry_id,
    stored_members.line_number,
    stored_members.entry_date,
    stored_members.document_kind,
    stored_members.document,
    stored_members.account,
    stored_members.auxiliary,
    stored_members.owed,
    reversed_entries.entry_id as reverses_entry_id,
    stored_members.reverses,
    stored_members.reverses_fiscal_year,
    false as is_new
from stored_members
inner join touched_letterings
    on stored_members.legal_entity = touched_letterings.legal_entity
        and stored_members.employee = touched_letterings.employee
        and stored_members.lettering = touched_letterings.lettering
inner join old_entries
    on stored_members.legal_entity = old_entries.legal_entity
        and stored_members.journal_code = old_entries.journal_code
        and stored_members.fiscal_year = old_entries.fiscal_year
        and stored_members.entry_number = old_entries.entry_number
left join old_entries as reversed_entries
    on stored_members.legal_entity = reversed_entries.legal_entity
        and stored_members.journal_code = reversed_entries.journal_code
        and stored_members.reverses_fiscal_year = reversed_entries.fiscal_year
        and stored_members.reverses = reversed_entries.entry_number
where not touched_letterings.is_dissolved
