-- The contra-entries of the payments that this turn's returns take back: one row per payment.
-- In: round_returns, payment_entries, legal_entities. Out: rows of entries. Spec: section 6.
with

returned_entries as (
    select
        round_returns.event_date,
        round_returns.version,
        payment_entries.*,
        posting_date(round_returns.event_date, legal_entities.closed_through) as new_entry_date,
        coalesce(legal_entities.fiscal_year_start, '01-01') as fiscal_year_start
    from round_returns
    inner join payment_entries on round_returns.entry_id = payment_entries.entry_id
    left join legal_entities on payment_entries.legal_entity = legal_entities.legal_entity
)

select
    $last_entry_id + row_number() over () as entry_id,
    legal_entity,
    'payment' as journal,
    journal_code,
    'payment_order' as document_kind,
    document,
    version,
    event_date as document_date,
    new_entry_date as entry_date,
    true as reversal,
    if(entry_id < 0, 0, 2)::tinyint as numbering_class,
    entry_number as reverses,
    fiscal_year as reverses_fiscal_year,
    entry_id as reverses_entry_id,
    employee,
    null::varchar as payment_method,
    currency,
    fiscal_year_of(new_entry_date, fiscal_year_start) as fiscal_year
from returned_entries
