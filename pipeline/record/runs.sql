-- The rows of each movement table by what became of them: one row per table.
-- In: row_counts. Out: rows of the stored kind `runs`. Spec: sections 3 and 7.
select
    $run::bigint as run,
    $run_on::date as run_on,
    table_name,
    $batch_digest::varchar as batch_digest,
    sum(rows_in)::bigint as rows_in,
    sum(retried)::bigint as retried,
    sum(posted)::bigint as posted,
    sum(unchanged)::bigint as unchanged,
    sum(superseded)::bigint as superseded,
    sum(ignored)::bigint as ignored,
    sum(quarantined)::bigint as quarantined
from row_counts
group by table_name
order by table_name
