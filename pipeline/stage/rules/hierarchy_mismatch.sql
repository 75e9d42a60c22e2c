-- Splits whose sections, with those above them, are two on one axis; what is named there stands, else what comes first.
-- In: attached_allocations, sections, section_ancestors. Out: findings. Spec: section 4, "Allocations".
with

-- Where a split names a section that does not exist, what stands above it cannot be told.
unknown_sections as (
    select
        attached_allocations.report,
        attached_allocations.version,
        attached_allocations.expense,
        attached_allocations.split,
        attached_allocations.axis
    from attached_allocations
    anti join sections
        on attached_allocations.axis = sections.axis and attached_allocations.section = sections.section
),

dead_ends as (
    select
        attached_allocations.row_id,
        min(section_ancestors.distance) as distance
    from attached_allocations
    inner join unknown_sections
        on attached_allocations.report = unknown_sections.report
            and attached_allocations.version = unknown_sections.version
            and attached_allocations.expense = unknown_sections.expense
            and attached_allocations.split = unknown_sections.split
    inner join section_ancestors
        on attached_allocations.axis = section_ancestors.axis
            and attached_allocations.section = section_ancestors.section
            and unknown_sections.axis = section_ancestors.ancestor_axis
    group by attached_allocations.row_id
),

led_to as (
    select
        attached_allocations.row_id,
        section_ancestors.ancestor_axis as axis,
        section_ancestors.ancestor as section,
        first_value(section_ancestors.ancestor) over (
            partition by
                attached_allocations.report,
                attached_allocations.version,
                attached_allocations.expense,
                attached_allocations.split,
                section_ancestors.ancestor_axis
            order by section_ancestors.distance > 0, attached_allocations.axis, section_ancestors.ancestor
        ) as standing_section
    from attached_allocations
    inner join section_ancestors
        on attached_allocations.axis = section_ancestors.axis and attached_allocations.section = section_ancestors.section
    left join dead_ends on attached_allocations.row_id = dead_ends.row_id
    where attached_allocations.split is not null
        and section_ancestors.distance < coalesce(dead_ends.distance, 1000)
)

select
    'allocations' as table_name,
    row_id,
    axis as column_name,
    section as value,
    'this section leads to ' || section || ' on axis ' || axis || ', another of the same split to ' || standing_section
    || ': name sections of one branch' as message
from led_to
where section <> standing_section
