-- What the journals of an export are called: one row per (journal, code) in use.
-- In: selected_entries, stored_entry_lines, journals. Out: journal_labels. Spec: section 4, "Accounts".
with

journal_uses as (
    select distinct
        stored_entry_lines.journal,
        stored_entry_lines.journal_code
    from stored_entry_lines
    semi join selected_entries
        on stored_entry_lines.legal_entity = selected_entries.legal_entity
            and stored_entry_lines.journal_code = selected_entries.journal_code
            and stored_entry_lines.fiscal_year = selected_entries.fiscal_year
            and stored_entry_lines.entry_number = selected_entries.entry_number
),

-- A journal that has another code by now keeps the name that went with the old one; a code that several journals share
-- has one name, the same in every export.
best_rows as (
    select
        journal_uses.journal,
        journal_uses.journal_code,
        max((
            journals.code = journal_uses.journal_code,
            journals.known_run,
            journals.legal_entity <> '*',
            -list_position(
                ['expense_report', 'company_paid', 'payment', 'advance', 'advance_imputation'], journals.journal
            ),
            trim(journals.label)
        )) as best
    from journal_uses
    inner join journals
        on (journal_uses.journal = journals.journal or journal_uses.journal_code = journals.code)
            and journals.legal_entity in ($entity, '*')
            and trim(journals.label) <> ''
    group by journal_uses.journal, journal_uses.journal_code
)

select
    journal_uses.journal,
    journal_uses.journal_code,
    coalesce(best_rows.best[5], journal_uses.journal_code) as label
from journal_uses
left join best_rows
    on journal_uses.journal = best_rows.journal and journal_uses.journal_code = best_rows.journal_code
