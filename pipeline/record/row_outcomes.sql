-- What became of every row of the run, in the end: one row per row of the batch and of the quarantine.
-- In: document_rows, row_fates, quarantined_documents, ignored_cancellations, unchanged_orders,
--     posted_documents,
--     staged_payment_returns, return_fates, findings, unpaid_returns. Out: row_outcomes. Spec: section 3.
with

document_outcomes as (
    select
        document_rows.table_name,
        document_rows.row_id,
        document_rows.origin,
        row_fates.fate,
        case
            when row_fates.fate <> 'judge' then row_fates.fate
            when quarantined_documents.document is not null then 'quarantined'
            when ignored_cancellations.document is not null then 'ignored'
            when unchanged_orders.document is not null then 'unchanged'
            else coalesce(posted_documents.fate, 'posted')
        end as outcome
    from document_rows
    inner join row_fates
        on document_rows.table_name = row_fates.table_name and document_rows.row_id = row_fates.row_id
    left join quarantined_documents
        on document_rows.document_kind = quarantined_documents.document_kind
            and document_rows.document = quarantined_documents.document
    left join ignored_cancellations
        on document_rows.document_kind = ignored_cancellations.document_kind
            and document_rows.document = ignored_cancellations.document
    left join unchanged_orders
        on document_rows.document_kind = 'payment_order' and document_rows.document = unchanged_orders.document
    left join posted_documents
        on document_rows.document_kind = posted_documents.document_kind
            and document_rows.document = posted_documents.document
),

refused_returns as (
    select row_id
    from findings
    where table_name = 'payment_returns'

    union

    select row_id
    from unpaid_returns
),

return_outcomes as (
    select
        return_fates.table_name,
        return_fates.row_id,
        staged_payment_returns.origin,
        return_fates.fate,
        case
            when return_fates.fate <> 'judge' then return_fates.fate
            when refused_returns.row_id is not null then 'quarantined'
            else 'posted'
        end as outcome
    from return_fates
    inner join staged_payment_returns on return_fates.row_id = staged_payment_returns.row_id
    left join refused_returns on return_fates.row_id = refused_returns.row_id
),

outcomes as (
    select * from document_outcomes
    union all
    select * from return_outcomes
)

select
    table_name,
    row_id,
    origin,
    if(outcome in ('posted', 'unchanged', 'superseded', 'ignored'), outcome, 'quarantined') as outcome,
    case
        when fate in ('orphan', 'waiting_orphan') then 'orphan'
        when fate in ('alone', 'waiting_alone') then 'alone'
        else 'document'
    end as waiting_fate
from outcomes
