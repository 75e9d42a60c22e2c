-- When and where each run was made: one row per run.
-- In: stored_run_times. Out: run_times. Spec: section 7.
select
    run,
    started_at,
    finished_at,
    host,
    software_version as version
from stored_run_times
