-- Expenses with several VAT codes, of which one does not say what it is computed on.
-- In: attached_expense_taxes. Out: findings. Spec: section 3.
with

doubtful_expenses as (
    select expense_id
    from attached_expense_taxes
    group by expense_id
    having count(*) > 1 and bool_or(taxed_gross is null and vat_amount is null)
),

counted_taxes as (
    select
        attached_expense_taxes.row_id,
        attached_expense_taxes.taxed_gross,
        attached_expense_taxes.vat_amount,
        count(distinct attached_expense_taxes.vat_code) over (
            partition by attached_expense_taxes.expense_id
        ) as codes
    from attached_expense_taxes
    semi join doubtful_expenses on attached_expense_taxes.expense_id = doubtful_expenses.expense_id
)

select
    'expense_taxes' as table_name,
    row_id,
    'taxed_gross' as column_name,
    null::varchar as value,
    'the expense has ' || codes || ' VAT codes: give this one its taxed_gross or vat_amount' as message
from counted_taxes
where codes > 1 and taxed_gross is null and vat_amount is null
