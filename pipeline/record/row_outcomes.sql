-- What became of the rows that were not posted: one row per row of the batch and of the quarantine that was not.
-- is_judged: whether the row was of those that could have been posted.
-- In: document_rows, row_fates, quarantined_documents, ignored_cancellations, unchanged_orders,
--     posted_documents,
--     staged_payment_returns, return_fates, findings, unpaid_returns. Out: row_outcomes. Spec: section 3.
with

-- Of the documents that are judged; what was posted needs no row.
document_outcomes as (
    select
        document_kind,
        document,
        arg_min(outcome, rank) as outcome
    from (
        select
            document_kind,
            document,
            'quarantined' as outcome,
            1 as rank
        from quarantined_documents

        union all

        select
            document_kind,
            document,
            'ignored' as outcome,
            2 as rank
        from ignored_cancellations

        union all

        select
            'payment_order' as document_kind,
            document,
            'unchanged' as outcome,
            3 as rank
        from unchanged_orders

        union all

        select
            document_kind,
            document,
            fate as outcome,
            4 as rank
        from posted_documents
        where fate <> 'posted'
    ) as every_outcome
    group by document_kind, document
),

unposted_rows as (
    select
        document_rows.table_name,
        document_rows.row_id,
        document_rows.origin,
        'judge' as fate,
        document_outcomes.outcome
    from document_rows
    inner join document_outcomes
        on document_rows.document_kind = document_outcomes.document_kind
            and document_rows.document = document_outcomes.document
    anti join row_fates
        on document_rows.table_name = row_fates.table_name and document_rows.row_id = row_fates.row_id
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
        end as outcome
    from return_fates
    inner join staged_payment_returns on return_fates.row_id = staged_payment_returns.row_id
    left join refused_returns on return_fates.row_id = refused_returns.row_id
),

outcomes as (
    select
        *,
        fate as outcome
    from row_fates
    union all
    select * from unposted_rows
    union all
    select * from return_outcomes
    where outcome is not null
)

select
    table_name,
    row_id,
    origin,
    if(outcome in ('unchanged', 'superseded', 'ignored'), outcome, 'quarantined') as outcome,
    case
        when fate in ('orphan', 'waiting_orphan') then 'orphan'
        when fate in ('alone', 'waiting_alone') then 'alone'
        else 'document'
    end as waiting_fate,
    fate = 'judge' as is_judged
from outcomes
