-- The sections that each split bears: one row per (split, axis, section).
-- row_id: the row that names the section, else the first that brings it.
-- In: brought_sections. Out: split_sections. Spec: section 4, "Allocations".
with

-- Of the splits on which two sections of one axis meet, which are few.
disputed_axes as (
    select
        expense_id,
        split,
        axis
    from brought_sections
    group by expense_id, split, axis
    having min(section) <> max(section)
),

standing_sections as (
    select
        brought_sections.row_id,
        brought_sections.section,
        brought_sections.distance,
        first_value(brought_sections.section) over (
            partition by brought_sections.expense_id, brought_sections.split, brought_sections.axis
            order by brought_sections.distance > 0, brought_sections.named_axis, brought_sections.section
        ) as standing_section
    from brought_sections
    semi join disputed_axes
        on brought_sections.expense_id = disputed_axes.expense_id
            and brought_sections.split = disputed_axes.split
            and brought_sections.axis = disputed_axes.axis
),

-- What contradicts another section of its split brings nothing from there on.
contradictions as (
    select
        row_id,
        min(distance) as contradicted_at
    from standing_sections
    where section <> standing_section
    group by row_id
)

select
    brought_sections.expense_id,
    brought_sections.split,
    brought_sections.axis,
    brought_sections.section,
    arg_min(brought_sections.row_id, (brought_sections.distance > 0, brought_sections.named_axis)) as row_id
from brought_sections
left join contradictions on brought_sections.row_id = contradictions.row_id
where
    not brought_sections.is_met
    and (
        contradictions.contradicted_at is null
        or brought_sections.distance = 0
        or brought_sections.distance < contradictions.contradicted_at
    )
group by brought_sections.expense_id, brought_sections.split, brought_sections.axis, brought_sections.section
