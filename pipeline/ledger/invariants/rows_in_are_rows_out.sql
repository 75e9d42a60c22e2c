-- Runs and tables where rows in and rows out differ, or what was retried is not what waited: one row per (run, table).
-- In: runs. Out: violations. Spec: sections 3 and 8.
with

counts as (
    select
        *,
        coalesce(lag(quarantined) over (partition by table_name order by run), 0) as waited
    from runs
)

select
    run,
    table_name,
    rows_in,
    retried,
    waited,
    posted + unchanged + superseded + ignored + quarantined as rows_out
from counts
where rows_in + retried <> posted + unchanged + superseded + ignored + quarantined or retried <> waited
order by run, table_name
