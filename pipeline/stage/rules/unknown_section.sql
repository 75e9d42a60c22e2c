-- Allocations to an axis or a section that does not exist.
-- In: attached_allocations, axes, sections. Out: findings. Spec: section 3.
with

allocations as (
    select
        attached_allocations.row_id,
        attached_allocations.axis,
        attached_allocations.section,
        axes.axis is not null as has_axis
    from attached_allocations
    left join axes on attached_allocations.axis = axes.axis
    anti join sections
        on attached_allocations.axis = sections.axis and attached_allocations.section = sections.section
    where attached_allocations.axis is not null and attached_allocations.section is not null
)

select
    'allocations' as table_name,
    row_id,
    if(has_axis, 'section', 'axis') as column_name,
    if(has_axis, section, axis) as value,
    if(
        has_axis,
        'axis ' || axis || ' has no section ' || section || ': add it to sections, or mend the code',
        'there is no axis ' || axis || ': add it to axes, or mend the code'
    ) as message
from allocations
