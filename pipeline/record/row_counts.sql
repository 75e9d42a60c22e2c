-- The rows of each movement table by what became of them: one row per table.
-- In: movement_tables, row_outcomes. Out: row_counts. Spec: section 3.
select
    movement_tables.table_name,
    count(row_outcomes.row_id) filter (where row_outcomes.origin = 'batch') as rows_in,
    count(row_outcomes.row_id) filter (where row_outcomes.origin <> 'batch') as retried,
    count(row_outcomes.row_id) filter (where row_outcomes.outcome = 'posted') as posted,
    count(row_outcomes.row_id) filter (where row_outcomes.outcome = 'unchanged') as unchanged,
    count(row_outcomes.row_id) filter (where row_outcomes.outcome = 'superseded') as superseded,
    count(row_outcomes.row_id) filter (where row_outcomes.outcome = 'ignored') as ignored,
    count(row_outcomes.row_id) filter (where row_outcomes.outcome = 'quarantined') as quarantined
from movement_tables
left join row_outcomes on movement_tables.table_name = row_outcomes.table_name
group by movement_tables.table_name
