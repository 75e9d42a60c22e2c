-- The sections that allocations name, known or not: one row per (axis, section), numbered.
-- In: attached_allocations, sections. Out: named_sections. Spec: section 4, "Allocations".
with

named as (
    select distinct
        axis,
        section
    from attached_allocations
    where axis is not null
)

select
    row_number() over ()::integer as number,
    named.axis,
    named.section,
    sections.section is not null as is_known
from named
left join sections on named.axis = sections.axis and named.section = sections.section
