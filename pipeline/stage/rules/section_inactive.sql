-- Splits on a section, named or inherited, that is not active on the day of the expense.
-- In: split_sections, sections, placed_expenses. Out: findings. Spec: section 4, "Allocations".
select
    'allocations' as table_name,
    split_sections.row_id,
    split_sections.axis as column_name,
    split_sections.section as value,
    'section ' || split_sections.section || ' of axis ' || split_sections.axis || ' is not active on '
    || placed_expenses.incurred_on || ': choose another, or change its days' as message
from split_sections
inner join sections
    on split_sections.axis = sections.axis and split_sections.section = sections.section
inner join placed_expenses
    on split_sections.expense_id = placed_expenses.expense_id
where placed_expenses.incurred_on < sections.active_from or placed_expenses.incurred_on > sections.active_to
