-- Splits whose sections, with those above them, are two on one axis.
-- In: split_sections. Out: findings. Spec: section 4, "Allocations".
with

contradicted_axes as (
    select
        axis,
        min(row_id) as row_id,
        string_agg(section, ' and ' order by section) as sections
    from split_sections
    group by report, version, expense, split, axis
    having count(*) > 1
)

select
    'allocations' as table_name,
    row_id,
    axis as column_name,
    sections as value,
    'one split leads to ' || sections || ' on axis ' || axis || ': name sections of one branch' as message
from contradicted_axes
