-- What an export does with the entries of its legal entity and period: one row per entry.
-- Fates: taken (by an earlier export), held_back (of a report that still has to be approved), left_out (by the
-- profile's journals and filters), exported.
-- In: stored_entry_lines, stored_documents, legal_entities, taken_entries. Out: entry_fates.
-- Spec: section 6, "Exports".
with

entries as (
    select
        legal_entity,
        journal_code,
        fiscal_year,
        entry_number,
        any_value(journal) as journal,
        any_value(document_kind) as document_kind,
        any_value(document) as document,
        any_value(employee) as employee,
        any_value(reverses) as reverses,
        any_value(reverses_fiscal_year) as reverses_fiscal_year,
        count(distinct { 'account': account, 'auxiliary': auxiliary }) as accounts
    from stored_entry_lines
    where
        legal_entity = $entity
        and ($first::date is null or entry_date >= $first::date)
        and ($last::date is null or entry_date <= $last::date)
    group by legal_entity, journal_code, fiscal_year, entry_number
),

-- Of the version last posted or taken over, whatever waits over it.
report_statuses as (
    select
        document,
        arg_max(status, (run, version)) as status
    from stored_documents
    where document_kind = 'expense_report' and posted_run is not null
    group by document
),

judged_entries as (
    select
        entries.*,
        taken_entries.entry_number is not null as is_taken,
        legal_entities.approval <> 'required'
        or entries.document_kind <> 'expense_report'
        or coalesce(report_statuses.status, 'declared') in ('approved', 'cancelled')
        -- The contra-entry of what was exported always goes out.
        or reversed_entries.entry_number is not null as is_ripe,
        list_contains($journals::varchar[], entries.journal)
        and (len($employees::varchar[]) = 0 or list_contains($employees::varchar[], entries.employee))
        and (
            len($document_kinds::varchar[]) = 0 or list_contains($document_kinds::varchar[], entries.document_kind)
        ) as is_wanted
    from entries
    inner join legal_entities on entries.legal_entity = legal_entities.legal_entity
    left join report_statuses
        on entries.document_kind = 'expense_report' and entries.document = report_statuses.document
    left join taken_entries
        on entries.legal_entity = taken_entries.legal_entity
            and entries.journal_code = taken_entries.journal_code
            and entries.fiscal_year = taken_entries.fiscal_year
            and entries.entry_number = taken_entries.entry_number
    left join taken_entries as reversed_entries
        on entries.legal_entity = reversed_entries.legal_entity
            and entries.journal_code = reversed_entries.journal_code
            and entries.reverses_fiscal_year = reversed_entries.fiscal_year
            and entries.reverses = reversed_entries.entry_number
)

-- Where all entries go out again, those that went out once stay with them: the file does not lose what it had.
select
    legal_entity,
    journal_code,
    fiscal_year,
    entry_number,
    journal,
    accounts,
    case
        when is_taken and not $all_again then 'taken'
        when not is_ripe and not is_taken then 'held_back'
        when not is_wanted then 'left_out'
        else 'exported'
    end as fate
from judged_entries
