-- The sections that each split bears: one row per (split, axis, section).
-- row_id: the row that names the section, else the first that brings it.
-- In: brought_sections. Out: split_sections. Spec: section 4, "Allocations".
with

standing_sections as (
    select
        *,
        first_value(section) over (
            partition by report, version, expense, split, axis
            order by distance > 0, named_axis, section
        ) as standing_section
    from brought_sections
),

-- What contradicts another section of its split brings nothing from there on.
contradictions as (
    select
        *,
        min(if(section <> standing_section, distance, null)) over (partition by row_id) as contradicted_at
    from standing_sections
)

select
    report,
    version,
    expense,
    split,
    axis,
    section,
    arg_min(row_id, (distance > 0, named_axis)) as row_id
from contradictions
where not coalesce(is_met, false) and (contradicted_at is null or distance = 0 or distance < contradicted_at)
group by report, version, expense, split, axis, section
