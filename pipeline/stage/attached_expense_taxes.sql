-- The active rows of expense_taxes whose expense is there, with its number: one row per row.
-- In: active_expense_taxes, expense_keys. Out: attached_expense_taxes. Spec: section 2.
select
    active_expense_taxes.row_id,
    expense_keys.expense_id,
    active_expense_taxes.vat_code,
    active_expense_taxes.taxed_gross,
    active_expense_taxes.vat_amount
from active_expense_taxes
inner join expense_keys
    on active_expense_taxes.report = expense_keys.report
        and active_expense_taxes.version = expense_keys.version
        and active_expense_taxes.expense = expense_keys.expense
        and expense_keys.row_id = expense_keys.expense_id
