-- Expenses whose VAT rows take more than the gross, or have the other sign; in the expense's currency.
-- In: attached_expense_taxes, placed_expenses. Out: findings. Spec: section 3.
with

tax_totals as (
    select
        expense_id,
        sum(taxed_gross) as taxed_gross,
        sum(vat_amount) as vat_amount
    from attached_expense_taxes
    group by expense_id
),

compared_totals as (
    select
        placed_expenses.row_id,
        placed_expenses.gross,
        totals.column_name,
        totals.total
    from tax_totals
    inner join placed_expenses
        on tax_totals.expense_id = placed_expenses.expense_id
    cross join lateral (
        select
            unnest(['taxed_gross', 'vat_amount']) as column_name,
            unnest([tax_totals.taxed_gross, tax_totals.vat_amount]) as total
    ) as totals
)

select
    'expenses' as table_name,
    row_id,
    column_name,
    shown(total) as value,
    'the VAT rows'' ' || column_name || ' adds up to ' || shown(total) || ', the gross is ' || shown(gross)
    || ': it may not be more, nor have the other sign' as message
from compared_totals
where abs(total) > abs(gross) or sign(total) * sign(gross) < 0
