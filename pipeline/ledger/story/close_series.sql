-- The series of entries whose name is nearly the one asked for: one row per series, the nearest first.
-- In: stored_series. Out: close_series. Spec: section 4, "Numbering".
with

series as (
    select
        legal_entity || '/' || journal_code || '/' || fiscal_year as name,
        max(last_number) as last_number
    from stored_series
    group by legal_entity, journal_code, fiscal_year
),

measured_series as (
    select
        name,
        last_number,
        levenshtein(lower(name), lower($name)) as distance
    from series
)

select
    name,
    last_number
from measured_series
where distance <= 2
-- Where the series is there, its number alone is wrong.
qualify distance = 0 or min(distance) over () > 0
order by distance, name
limit 3
