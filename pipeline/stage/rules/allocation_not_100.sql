-- Expenses whose splits do not add up to 100 percent, or one of whose splits has two percents.
-- In: expense_splits, placed_expenses. Out: findings. Spec: sections 3 and 4, "Allocations".
with

allocated_expenses as (
    select
        expense_id,
        sum(percent) as percent,
        bool_or(percent <> highest_percent) as is_ambiguous,
        bool_or(is_unreadable) as is_unreadable
    from expense_splits
    group by expense_id
)

select
    'expenses' as table_name,
    placed_expenses.row_id,
    'percent' as column_name,
    shown(allocated_expenses.percent) as value,
    if(
        allocated_expenses.is_ambiguous,
        'one split of the expense has two percents: give all rows of a split the same',
        'the splits of the expense add up to ' || shown(allocated_expenses.percent) || ' percent: make it 100'
    ) as message
from allocated_expenses
inner join placed_expenses
    on allocated_expenses.expense_id = placed_expenses.expense_id
where
    not allocated_expenses.is_unreadable
    and (allocated_expenses.is_ambiguous or allocated_expenses.percent <> 100)
