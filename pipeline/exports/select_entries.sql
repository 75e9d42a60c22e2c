-- The entries that an export may take: one row per entry of the legal entity in the period.
-- is_free: not taken by an earlier export of the profile; is_ripe: not of a report that still has to be approved.
-- In: entry_lines, documents, legal_entities, taken_entries. Out: candidate_entries. Spec: section 6, "Exports".
with

entries as (
    select
        legal_entity,
        journal,
        journal_code,
        fiscal_year,
        entry_number,
        any_value(document_kind) as document_kind,
        any_value(document) as document,
        bool_or(reversal) as reversal,
        any_value(reverses) as reverses,
        any_value(reverses_fiscal_year) as reverses_fiscal_year,
        count(distinct account || '|' || coalesce(auxiliary, '')) as accounts
    from entry_lines
    where
        legal_entity = $entity
        and ($first::date is null or entry_date >= $first::date)
        and ($last::date is null or entry_date <= $last::date)
    group by legal_entity, journal, journal_code, fiscal_year, entry_number
),

report_statuses as (
    select
        document,
        any_value(status) as status
    from documents
    where document_kind = 'expense_report' and state <> 'quarantined'
    group by document
)

select
    entries.*,
    taken_entries.entry_number is null as is_free,
    legal_entities.approval <> 'required'
    or entries.document_kind <> 'expense_report'
    or coalesce(report_statuses.status, 'declared') in ('approved', 'cancelled')
    or reversed_entries.entry_number is not null as is_ripe
from entries
inner join legal_entities on entries.legal_entity = legal_entities.legal_entity
left join report_statuses
    on entries.document_kind = 'expense_report' and entries.document = report_statuses.document
left join taken_entries
    on entries.legal_entity = taken_entries.legal_entity
        and entries.journal_code = taken_entries.journal_code
        and entries.fiscal_year = taken_entries.fiscal_year
        and entries.entry_number = taken_entries.entry_number
-- A contra-entry of what was exported always goes out.
left join taken_entries as reversed_entries
    on entries.reversal
        and entries.legal_entity = reversed_entries.legal_entity
        and entries.journal_code = reversed_entries.journal_code
        and entries.reverses_fiscal_year = reversed_entries.fiscal_year
        and entries.reverses = reversed_entries.entry_number
