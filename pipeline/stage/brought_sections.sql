-- The sections that each allocation brings to its split, named or inherited: one row per (allocation, axis).
-- Inheritance goes up to the first axis that the split names itself; is_met marks what it would have brought there.
-- In: attached_allocations, sections, section_ancestors. Out: brought_sections. Spec: section 4, "Allocations".
with

named_sections as (
    select
        attached_allocations.row_id,
        attached_allocations.expense_id,
        attached_allocations.split,
        attached_allocations.axis,
        attached_allocations.section,
        sections.section is not null as is_known
    from attached_allocations
    left join sections
        on attached_allocations.axis = sections.axis and attached_allocations.section = sections.section
    where attached_allocations.split is not null and attached_allocations.axis is not null
),

named_axes as (
    select
        expense_id,
        split,
        axis,
        bool_or(is_known) as is_known
    from named_sections
    group by expense_id, split, axis
),

led_to as (
    select
        named_sections.row_id,
        named_sections.expense_id,
        named_sections.split,
        named_sections.axis as named_axis,
        section_ancestors.ancestor_axis as axis,
        section_ancestors.ancestor as section,
        section_ancestors.distance,
        coalesce(named_axes.is_known, false) as is_known,
        if(named_axes.axis is null, null, section_ancestors.distance) as named_distance
    from named_sections
    inner join section_ancestors
        on named_sections.axis = section_ancestors.axis and named_sections.section = section_ancestors.section
    left join named_axes
        on named_sections.expense_id = named_axes.expense_id
            and named_sections.split = named_axes.split
            and section_ancestors.ancestor_axis = named_axes.axis
    where section_ancestors.distance > 0
),

-- The nearest axis above that the split names itself, of the few allocations that have one.
named_above as (
    select
        row_id,
        min(named_distance) as named_at
    from led_to
    where named_distance is not null
    group by row_id
)

select
    row_id,
    expense_id,
    split,
    axis as named_axis,
    axis,
    section,
    0 as distance,
    false as is_met
from named_sections
where is_known

union all

select
    led_to.row_id,
    led_to.expense_id,
    led_to.split,
    led_to.named_axis,
    led_to.axis,
    led_to.section,
    led_to.distance,
    coalesce(led_to.distance = named_above.named_at, false) as is_met
from led_to
left join named_above on led_to.row_id = named_above.row_id
where
    named_above.named_at is null
    or led_to.distance < named_above.named_at
    or (led_to.distance = named_above.named_at and led_to.is_known)
