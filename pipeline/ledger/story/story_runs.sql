-- The runs of a story: one row per run, with the digest of its batch and when and where it was made.
-- In: run_numbers, stored_runs, stored_run_times. Out: story_runs. Spec: sections 3 and 7.
with

batches as (
    select distinct
        stored_runs.run,
        stored_runs.run_on,
        stored_runs.batch_digest
    from stored_runs
    semi join run_numbers on stored_runs.run = run_numbers.run
)

select
    batches.run,
    batches.run_on,
    batches.batch_digest,
    stored_run_times.started_at,
    stored_run_times.finished_at,
    stored_run_times.host,
    stored_run_times.software_version
from batches
left join stored_run_times on batches.run = stored_run_times.run
order by batches.run
