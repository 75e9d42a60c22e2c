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
        tax_totals.taxed_gross,
        tax_totals.vat_amount
    from tax_totals
    inner join placed_expenses
        on tax_totals.expense_id = placed_expenses.expense_id
    where
        abs(tax_totals.taxed_gross) > abs(placed_expenses.gross)
        or abs(tax_totals.vat_amount) > abs(placed_expenses.gross)
        or sign(tax_totals.taxed_gross) * sign(placed_expenses.gross) < 0
        or sign(tax_totals.vat_amount) * sign(placed_expenses.gross) < 0
),

totals as (
    select
        row_id,
        gross,
        'taxed_gross' as column_name,
        taxed_gross as total
    from compared_totals

    union all

    select
        row_id,
        gross,
        'vat_amount' as column_name,
        vat_amount as total
    from compared_totals
)

select
    'expenses' as table_name,
    row_id,
    column_name,
    shown(total) as value,
    'the VAT rows'' ' || column_name || ' adds up to ' || shown(total) || ', the gross is ' || shown(gross)
    || ': it may not be more, nor have the other sign' as message
from totals
where abs(total) > abs(gross) or sign(total) * sign(gross) < 0
