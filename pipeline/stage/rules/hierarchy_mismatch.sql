-- Splits whose sections, with those above them, are two on one axis; what is named there stands, else what comes
-- first.
-- In: brought_sections, named_sections, expense_splits, attached_allocations. Out: findings.
-- Spec: section 4, "Allocations".
with

led_to as (
    select
        combination,
        number,
        axis,
        section,
        first_value(section) over (
            partition by combination, axis
            order by distance > 0, named_axis, section
        ) as standing_section
    from brought_sections
)

select
    'allocations' as table_name,
    attached_allocations.row_id,
    led_to.axis as column_name,
    led_to.section as value,
    'this section leads to ' || led_to.section || ' on axis ' || led_to.axis || ', another of the same split to '
    || led_to.standing_section || ': name sections of one branch' as message
from led_to
inner join named_sections on led_to.number = named_sections.number
inner join expense_splits on led_to.combination = expense_splits.combination
inner join attached_allocations
    on expense_splits.expense_id = attached_allocations.expense_id
        and expense_splits.split = attached_allocations.split
        and named_sections.axis = attached_allocations.axis
        and named_sections.section = attached_allocations.section
where led_to.section <> led_to.standing_section
