-- Allocations to an axis or a section that does not exist.
-- In: named_sections, attached_allocations, axes. Out: findings. Spec: section 3.
with

unknown_sections as (
    select
        named_sections.axis,
        named_sections.section,
        axes.axis is not null as has_axis
    from named_sections
    left join axes on named_sections.axis = axes.axis
    where not named_sections.is_known and named_sections.section is not null
)

select
    'allocations' as table_name,
    attached_allocations.row_id,
    if(unknown_sections.has_axis, 'section', 'axis') as column_name,
    if(unknown_sections.has_axis, unknown_sections.section, unknown_sections.axis) as value,
    if(
        unknown_sections.has_axis,
        'axis ' || unknown_sections.axis || ' has no section ' || unknown_sections.section
        || ': add it to sections, or mend the code',
        'there is no axis ' || unknown_sections.axis || ': add it to axes, or mend the code'
    ) as message
from attached_allocations
inner join unknown_sections
    on attached_allocations.axis = unknown_sections.axis and attached_allocations.section = unknown_sections.section
