-- The sections that each split bears, named or inherited: one row per (split, axis, section).
-- In: attached_allocations, section_ancestors. Out: split_sections. Spec: section 4, "Allocations".
with

named_sections as (
    select
        row_id,
        report,
        version,
        expense,
        split,
        axis,
        section
    from attached_allocations
    where split is not null and axis is not null and section is not null
),

split_sections as (
    select
        named_sections.report,
        named_sections.version,
        named_sections.expense,
        named_sections.split,
        section_ancestors.ancestor_axis as axis,
        section_ancestors.ancestor as section,
        -- The row that names the section, else the first that brings it.
        arg_min(named_sections.row_id, (section_ancestors.distance > 0, named_sections.axis)) as row_id
    from named_sections
    inner join section_ancestors
        on named_sections.axis = section_ancestors.axis and named_sections.section = section_ancestors.section
    group by
        named_sections.report,
        named_sections.version,
        named_sections.expense,
        named_sections.split,
        section_ancestors.ancestor_axis,
        section_ancestors.ancestor
)

select * from split_sections
