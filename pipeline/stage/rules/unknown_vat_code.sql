-- VAT rows of a code that is not in the table of VAT codes.
-- In: attached_expense_taxes, vat_codes. Out: findings. Spec: section 3.
select
    'expense_taxes' as table_name,
    attached_expense_taxes.row_id,
    'vat_code' as column_name,
    attached_expense_taxes.vat_code as value,
    'there is no VAT code ' || attached_expense_taxes.vat_code || ': add it to vat_codes, or mend the code' as message
from attached_expense_taxes
anti join vat_codes on attached_expense_taxes.vat_code = vat_codes.vat_code
where attached_expense_taxes.vat_code is not null
