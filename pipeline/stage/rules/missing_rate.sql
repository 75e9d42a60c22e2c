-- Expenses in a foreign currency without an exchange rate.
-- In: placed_expenses, judged_expenses. Out: findings. Spec: sections 2 and 3.
select
    'expenses' as table_name,
    placed_expenses.row_id,
    'exchange_rate' as column_name,
    null::varchar as value,
    'the expense is in ' || placed_expenses.currency || ', its legal entity keeps its books in '
    || placed_expenses.entity_currency || ': give the exchange rate' as message
from placed_expenses
inner join judged_expenses on placed_expenses.row_id = judged_expenses.row_id
where
    placed_expenses.currency <> placed_expenses.entity_currency
    and placed_expenses.exchange_rate is null
    and not placed_expenses.is_cancelled
    and not list_contains(
        list_transform(coalesce(judged_expenses.malformed, []), lambda cell: cell.column_name), 'exchange_rate'
    )
