-- The sections that each split bears: one row per (split, axis, section).
-- row_id: the row that names the section, else the first that brings it.
-- In: brought_sections. Out: split_sections. Spec: section 4, "Allocations".
select
    report,
    version,
    expense,
    split,
    axis,
    section,
    arg_min(row_id, (distance > 0, named_axis)) as row_id
from brought_sections
where not coalesce(is_met, false)
group by report, version, expense, split, axis, section
