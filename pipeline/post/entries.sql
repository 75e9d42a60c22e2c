-- The entries of the documents of this run: one row per entry, contra-entries and new ones.
-- document_id and entry_kind together name a new entry; entry_kind is null of a contra-entry.
-- In: document_lines, entry_kinds, entity_changes, contra_lines, posted_documents, legal_entities, journal_codes.
-- Out: entries. Spec: section 4.
with

kinds_of_documents as (
    select distinct
        document_id,
        entry_kind
    from document_lines
),

new_entries as (
    select
        kinds_of_documents.document_id,
        kinds_of_documents.entry_kind,
        entry_kinds.legal_entity,
        entry_kinds.journal,
        entry_kinds.payment_method
    from kinds_of_documents
    inner join entry_kinds on kinds_of_documents.entry_kind = entry_kinds.entry_kind
    semi join entity_changes
        on kinds_of_documents.document_id = entity_changes.document_id
            and entry_kinds.legal_entity = entity_changes.legal_entity
            and entity_changes.is_changed
),

contra_entries as (
    select
        document_id,
        legal_entity,
        journal,
        payment_method,
        reverses,
        reverses_fiscal_year,
        any_value(journal_code) as journal_code,
        any_value(currency) as currency,
        any_value(employee) as employee
    from contra_lines
    group by document_id, legal_entity, journal, payment_method, reverses, reverses_fiscal_year
),

keys as (
    select
        *,
        false as reversal
    from new_entries

    union all by name

    select
        *,
        true as reversal
    from contra_entries
),

entries as (
    select
        row_number() over () as entry_id,
        keys.document_id,
        keys.entry_kind,
        keys.legal_entity,
        keys.journal,
        coalesce(keys.journal_code, journal_codes.journal_code) as journal_code,
        posted_documents.document_kind,
        posted_documents.document,
        posted_documents.version,
        posted_documents.event_date as document_date,
        posting_date(posted_documents.event_date, legal_entities.closed_through) as entry_date,
        keys.reversal,
        if(keys.reversal, 0, 1)::tinyint as numbering_class,
        keys.reverses,
        keys.reverses_fiscal_year,
        null::bigint as reverses_entry_id,
        coalesce(keys.employee, posted_documents.employee) as employee,
        keys.payment_method,
        coalesce(keys.currency, legal_entities.currency) as currency,
        coalesce(legal_entities.fiscal_year_start, '01-01') as fiscal_year_start
    from keys
    inner join posted_documents on keys.document_id = posted_documents.document_id
    left join legal_entities on keys.legal_entity = legal_entities.legal_entity
    left join journal_codes
        on keys.legal_entity = journal_codes.legal_entity and keys.journal = journal_codes.journal
)

select
    * exclude (fiscal_year_start),
    fiscal_year_of(entry_date, fiscal_year_start) as fiscal_year
from entries
