-- The entries of the documents of this run: one row per entry, contra-entries and new ones.
-- In: entry_drafts, posted_documents, legal_entities, journal_codes. Out: entries. Spec: section 4.
with

keys as (
    select
        document_kind,
        document,
        legal_entity,
        journal,
        payment_method,
        reversal,
        reverses,
        reverses_fiscal_year,
        any_value(journal_code) as journal_code,
        any_value(currency) as currency,
        any_value(employee) as employee
    from entry_drafts
    group by
        document_kind, document, legal_entity, journal, payment_method, reversal, reverses, reverses_fiscal_year
),

entries as (
    select
        row_number() over () as entry_id,
        keys.legal_entity,
        keys.journal,
        coalesce(keys.journal_code, journal_codes.journal_code) as journal_code,
        keys.document_kind,
        keys.document,
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
    inner join posted_documents
        on keys.document_kind = posted_documents.document_kind and keys.document = posted_documents.document
    left join legal_entities on keys.legal_entity = legal_entities.legal_entity
    left join journal_codes
        on keys.legal_entity = journal_codes.legal_entity and keys.journal = journal_codes.journal
)

select
    * exclude (fiscal_year_start),
    fiscal_year_of(entry_date, fiscal_year_start) as fiscal_year
from entries
