-- Runs whose number is missing: one row per gap.
-- In: runs, run_times. Out: violations. Spec: section 7.
with

numbers as (
    select
        run,
        row_number() over (order by run) as expected
    from run_times
)

select
    numbers.run,
    numbers.expected
from numbers
where
    numbers.run <> numbers.expected
    or numbers.run not in (select runs.run from runs)
order by numbers.run
