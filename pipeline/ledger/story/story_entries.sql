-- The entries of a story: one row per entry, with the stage of its run at which it was posted.
-- stage: 1 contra-entries of documents, 3 their entries, 4 cancelled orders, 5 orders and returns, by day (2 is that of
-- the letterings that documents dissolve).
-- In: story_lines, stored_payment_returns. Out: story_entries. Spec: sections 4 and 6.
with

entries as (
    select distinct
        run,
        legal_entity,
        journal,
        journal_code,
        fiscal_year,
        entry_number,
        entry_date,
        document_kind,
        document,
        version,
        document_date,
        reversal,
        reverses,
        reverses_fiscal_year,
        employee,
        currency
    from story_lines
)

select
    entries.*,
    case
        when entries.document_kind <> 'payment_order' and entries.reversal then 1
        when entries.document_kind <> 'payment_order' then 3
        when entries.reversal and stored_payment_returns.payment_order is null then 4
        else 5
    end as stage
from entries
left join stored_payment_returns
    on entries.reversal
        and entries.document_kind = 'payment_order'
        and entries.document = stored_payment_returns.payment_order
        and entries.employee = stored_payment_returns.employee
        and entries.run = stored_payment_returns.run
