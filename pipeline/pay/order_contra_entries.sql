-- The contra-entries of cancelled orders: one row per payment entry taken back.
-- In: cancelled_payments, old_entries, legal_entities. Out: rows of entries. Spec: section 6.
with

keys as (
    select distinct
        legal_entity,
        journal,
        journal_code,
        document_kind,
        document,
        version,
        event_date,
        fiscal_year,
        entry_number,
        employee,
        currency
    from cancelled_payments
),

contra_entries as (
    select
        keys.*,
        old_entries.entry_id as reverses_entry_id,
        posting_date(keys.event_date, legal_entities.closed_through) as entry_date,
        coalesce(legal_entities.fiscal_year_start, '01-01') as fiscal_year_start
    from keys
    inner join old_entries
        on keys.legal_entity = old_entries.legal_entity
            and keys.journal_code = old_entries.journal_code
            and keys.fiscal_year = old_entries.fiscal_year
            and keys.entry_number = old_entries.entry_number
    left join legal_entities on keys.legal_entity = legal_entities.legal_entity
)

select
    $last_entry_id + row_number() over () as entry_id,
    legal_entity,
    journal,
    journal_code,
    document_kind,
    document,
    version,
    event_date as document_date,
    entry_date,
    true as reversal,
    0::tinyint as numbering_class,
    entry_number as reverses,
    fiscal_year as reverses_fiscal_year,
    reverses_entry_id,
    employee,
    null::varchar as payment_method,
    currency,
    fiscal_year_of(entry_date, fiscal_year_start) as fiscal_year
from contra_entries
