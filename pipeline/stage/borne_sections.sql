-- The sections that the splits of each combination bear: one row per (combination, axis, section).
-- number: of the section that names it, else of the first that brings it.
-- In: brought_sections. Out: borne_sections. Spec: section 4, "Allocations".
with

standing_sections as (
    select
        *,
        first_value(section) over (
            partition by combination, axis
            order by distance > 0, named_axis, section
        ) as standing_section
    from brought_sections
),

-- What contradicts another section of its combination brings nothing from there on.
contradictions as (
    select
        combination,
        number,
        min(distance) as contradicted_at
    from standing_sections
    where section <> standing_section
    group by combination, number
)

select
    brought_sections.combination,
    brought_sections.axis,
    brought_sections.section,
    arg_min(
        brought_sections.number,
        (brought_sections.distance > 0, brought_sections.named_axis, brought_sections.number)
    ) as number
from brought_sections
left join contradictions
    on brought_sections.combination = contradictions.combination and brought_sections.number = contradictions.number
where
    not brought_sections.is_met
    and (
        contradictions.contradicted_at is null
        or brought_sections.distance = 0
        or brought_sections.distance < contradictions.contradicted_at
    )
group by brought_sections.combination, brought_sections.axis, brought_sections.section
