-- The judged rows of expense_taxes with the number of their expense, null where it is not there: one row per row.
-- is_active: whether their report is not cancelled.
-- In: judged_expense_taxes, expense_keys, cancelled_reports. Out: matched_expense_taxes. Spec: section 2.
select
    judged_expense_taxes.row_id,
    expense_keys.expense_id,
    cancelled_reports.report is null as is_active,
    judged_expense_taxes.vat_code,
    judged_expense_taxes.taxed_gross,
    judged_expense_taxes.vat_amount
from judged_expense_taxes
left join expense_keys
    on judged_expense_taxes.report = expense_keys.report
        and judged_expense_taxes.version = expense_keys.version
        and judged_expense_taxes.expense = expense_keys.expense
        and expense_keys.row_id = expense_keys.expense_id
left join cancelled_reports on judged_expense_taxes.report = cancelled_reports.report
