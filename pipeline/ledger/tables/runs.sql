-- The rows of each run by what became of them: one row per (run, movement table).
-- In: stored_runs. Out: runs. Spec: sections 3 and 7.
select * from stored_runs
