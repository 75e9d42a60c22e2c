-- Expenses with several VAT codes, of which one does not say what it is computed on.
-- In: attached_expense_taxes. Out: findings. Spec: section 3.
with

counted_taxes as (
    select
        row_id,
        taxed_gross,
        vat_amount,
        count(distinct vat_code) over (partition by expense_id) as codes
    from attached_expense_taxes
)

select
    'expense_taxes' as table_name,
    row_id,
    'taxed_gross' as column_name,
    null::varchar as value,
    'the expense has ' || codes || ' VAT codes: give this one its taxed_gross or vat_amount' as message
from counted_taxes
where codes > 1 and taxed_gross is null and vat_amount is null
