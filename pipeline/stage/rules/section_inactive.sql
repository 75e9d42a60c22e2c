-- Splits on a section, named or inherited, that is not active on the day of the expense.
-- In: borne_sections, sections, expense_splits, placed_expenses, named_sections,
--     attached_allocations. Out: findings. Spec: section 4, "Allocations".
with

bounded_sections as (
    select
        borne_sections.combination,
        borne_sections.axis,
        borne_sections.section,
        borne_sections.number,
        sections.active_from,
        sections.active_to
    from borne_sections
    inner join sections on borne_sections.axis = sections.axis and borne_sections.section = sections.section
    where sections.active_from is not null or sections.active_to is not null
),

inactive_splits as (
    select
        bounded_sections.*,
        expense_splits.expense_id,
        expense_splits.split,
        placed_expenses.row_id as expense_row,
        placed_expenses.incurred_on
    from bounded_sections
    inner join expense_splits on bounded_sections.combination = expense_splits.combination
    inner join placed_expenses on expense_splits.expense_id = placed_expenses.expense_id
    where
        placed_expenses.incurred_on < bounded_sections.active_from
        or placed_expenses.incurred_on > bounded_sections.active_to
)

select
    'allocations' as table_name,
    min(attached_allocations.row_id) as row_id,
    inactive_splits.axis as column_name,
    inactive_splits.section as value,
    'section ' || inactive_splits.section || ' of axis ' || inactive_splits.axis || ' is not active on '
    || inactive_splits.incurred_on || ': choose another, or change its days' as message
from inactive_splits
inner join named_sections on inactive_splits.number = named_sections.number
inner join attached_allocations
    on inactive_splits.expense_id = attached_allocations.expense_id
        and inactive_splits.split = attached_allocations.split
        and named_sections.axis = attached_allocations.axis
        and named_sections.section = attached_allocations.section
group by
    inactive_splits.expense_row,
    inactive_splits.split,
    inactive_splits.axis,
    inactive_splits.section,
    inactive_splits.incurred_on
