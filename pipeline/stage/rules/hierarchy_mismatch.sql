-- Splits whose sections, with those above them, are two on one axis; what is named there stands, else what comes
-- first.
-- In: brought_sections. Out: findings. Spec: section 4, "Allocations".
with

led_to as (
    select
        row_id,
        axis,
        section,
        first_value(section) over (
            partition by expense_id, split, axis
            order by distance > 0, named_axis, section
        ) as standing_section
    from brought_sections
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
