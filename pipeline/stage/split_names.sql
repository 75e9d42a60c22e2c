-- The splits of each expense's charge, and the sections that each names: one row per (expense, split).
-- named: numbers of named_sections, null where a split names no axis or has no number itself.
-- In: attached_allocations, named_sections. Out: split_names. Spec: section 4, "Allocations".
select
    attached_allocations.expense_id,
    attached_allocations.split,
    min(attached_allocations.percent) as percent,
    max(attached_allocations.percent) as highest_percent,
    bool_or(attached_allocations.percent is null or attached_allocations.split is null) as is_unreadable,
    bool_and(attached_allocations.section is not null and named_sections.number is not null) as is_named,
    list_sort(
        list(named_sections.number) filter (
            where named_sections.number is not null and attached_allocations.split is not null
        )
    ) as named
from attached_allocations
left join named_sections
    on attached_allocations.axis = named_sections.axis
        and attached_allocations.section is not distinct from named_sections.section
group by attached_allocations.expense_id, attached_allocations.split
