-- The sections that each allocation brings to its split, named or inherited: one row per (allocation, axis).
-- Inheritance goes up to the first axis that the split names itself; is_met marks what it would have brought there.
-- In: attached_allocations, sections, section_ancestors. Out: brought_sections. Spec: section 4, "Allocations".
with

named_axes as (
    select
        attached_allocations.report,
        attached_allocations.version,
        attached_allocations.expense,
        attached_allocations.split,
        attached_allocations.axis,
        bool_or(sections.section is not null) as is_known
    from attached_allocations
    left join sections
        on attached_allocations.axis = sections.axis and attached_allocations.section = sections.section
    where attached_allocations.split is not null and attached_allocations.axis is not null
    group by all
),

led_to as (
    select
        attached_allocations.row_id,
        attached_allocations.report,
        attached_allocations.version,
        attached_allocations.expense,
        attached_allocations.split,
        attached_allocations.axis as named_axis,
        section_ancestors.ancestor_axis as axis,
        section_ancestors.ancestor as section,
        section_ancestors.distance,
        coalesce(named_axes.is_known, false) as is_known,
        min(if(section_ancestors.distance > 0 and named_axes.axis is not null, section_ancestors.distance, null))
            over (partition by attached_allocations.row_id) as named_at
    from attached_allocations
    inner join section_ancestors
        on attached_allocations.axis = section_ancestors.axis
            and attached_allocations.section = section_ancestors.section
    left join named_axes
        on attached_allocations.report = named_axes.report
            and attached_allocations.version = named_axes.version
            and attached_allocations.expense = named_axes.expense
            and attached_allocations.split = named_axes.split
            and section_ancestors.ancestor_axis = named_axes.axis
    where attached_allocations.split is not null
)

select
    row_id,
    report,
    version,
    expense,
    split,
    named_axis,
    axis,
    section,
    distance,
    distance = named_at as is_met
from led_to
where named_at is null or distance < named_at or (distance = named_at and is_known)
