-- The payment entries of this turn: one row per (order, employee) with lines.
-- In: round_drafts, active_orders. Out: rows of entries. Spec: section 6.
with

keys as (
    select distinct
        payment_order,
        employee
    from round_drafts
),

payment_entries as (
    select
        keys.employee,
        active_orders.*,
        posting_date(active_orders.event_date, active_orders.closed_through) as entry_date
    from keys
    inner join active_orders on keys.payment_order = active_orders.payment_order
)

select
    $last_entry_id + row_number() over () as entry_id,
    legal_entity,
    'payment' as journal,
    journal_code,
    'payment_order' as document_kind,
    payment_order as document,
    version,
    event_date as document_date,
    entry_date,
    false as reversal,
    1::tinyint as numbering_class,
    null::bigint as reverses,
    null::integer as reverses_fiscal_year,
    null::bigint as reverses_entry_id,
    employee,
    null::varchar as payment_method,
    currency,
    fiscal_year_of(entry_date, fiscal_year_start) as fiscal_year
from payment_entries
