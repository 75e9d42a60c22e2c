-- Expenses whose exchange rate is zero or negative.
-- In: placed_expenses. Out: findings. Spec: section 3.
select
    'expenses' as table_name,
    row_id,
    'exchange_rate' as column_name,
    shown(exchange_rate) as value,
    'an exchange rate is above 0: units of the legal entity''s currency for one unit of the expense''s' as message
from placed_expenses
where exchange_rate <= 0 and not is_cancelled
