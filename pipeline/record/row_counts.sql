-- The rows of each movement table by what became of them: one row per table.
-- Posted is what was judged and is not among what was not posted: counted apart from what came in, to be held to it.
-- In: movement_tables, document_rows, staged_payment_returns, judged_rows, row_outcomes. Out: row_counts.
-- Spec: section 3.
with

rows_given as (
    select
        table_name,
        count(*) filter (where origin = 'batch') as rows_in,
        count(*) filter (where origin <> 'batch') as retried
    from document_rows
    group by table_name

    union all

    select
        'payment_returns' as table_name,
        count(*) filter (where origin = 'batch') as rows_in,
        count(*) filter (where origin <> 'batch') as retried
    from staged_payment_returns
),

rows_not_posted as (
    select
        table_name,
        count(*) filter (where is_judged) as judged,
        count(*) filter (where outcome = 'unchanged') as unchanged,
        count(*) filter (where outcome = 'superseded') as superseded,
        count(*) filter (where outcome = 'ignored') as ignored,
        count(*) filter (where outcome = 'quarantined') as quarantined
    from row_outcomes
    group by table_name
)

select
    movement_tables.table_name,
    coalesce(rows_given.rows_in, 0) as rows_in,
    coalesce(rows_given.retried, 0) as retried,
    coalesce(judged_rows.row_count, 0) - coalesce(rows_not_posted.judged, 0) as posted,
    coalesce(rows_not_posted.unchanged, 0) as unchanged,
    coalesce(rows_not_posted.superseded, 0) as superseded,
    coalesce(rows_not_posted.ignored, 0) as ignored,
    coalesce(rows_not_posted.quarantined, 0) as quarantined
from movement_tables
left join rows_given on movement_tables.table_name = rows_given.table_name
left join judged_rows on movement_tables.table_name = judged_rows.table_name
left join rows_not_posted on movement_tables.table_name = rows_not_posted.table_name
