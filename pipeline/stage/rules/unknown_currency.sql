-- Expenses in a currency that ISO 4217 does not have.
-- In: placed_expenses. Out: findings. Spec: section 3.
select
    'expenses' as table_name,
    row_id,
    'currency' as column_name,
    currency as value,
    currency || ' is no currency of ISO 4217: write its three-letter code' as message
from placed_expenses
where currency is not null and currency_digits is null and not is_cancelled
