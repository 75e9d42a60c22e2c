-- Allocations to an axis or a section that does not exist.
-- In: active_allocations, axes, sections. Out: findings. Spec: section 3.
with

allocations as (
    select
        active_allocations.row_id,
        active_allocations.axis,
        active_allocations.section,
        axes.axis is not null as has_axis
    from active_allocations
    left join axes on active_allocations.axis = axes.axis
    anti join sections
        on active_allocations.axis = sections.axis and active_allocations.section = sections.section
    where active_allocations.axis is not null and active_allocations.section is not null
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
