-- Each section with itself and what stands above it: one row per (section, section above or itself).
-- In: axes, sections. Out: section_ancestors. Spec: section 4, "Allocations".
with recursive

section_ancestors as (
    select
        sections.axis,
        sections.section,
        sections.axis as ancestor_axis,
        sections.section as ancestor,
        0 as distance
    from sections

    union all

    select
        section_ancestors.axis,
        section_ancestors.section,
        axes.parent_axis as ancestor_axis,
        sections.parent_section as ancestor,
        section_ancestors.distance + 1 as distance
    from section_ancestors
    inner join axes on section_ancestors.ancestor_axis = axes.axis
    inner join sections
        on section_ancestors.ancestor_axis = sections.axis and section_ancestors.ancestor = sections.section
    where sections.parent_section is not null
)

select * from section_ancestors
order by axis, section, distance
