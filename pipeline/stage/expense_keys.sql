-- A number for each expense that is judged: one row per row of judged_expenses.
-- Copies of an expense have one number: what belongs to the expense belongs to each of them.
-- In: judged_expenses, expense_copies. Out: expense_keys. Spec: section 2.
select
    judged_expenses.row_id,
    judged_expenses.report,
    judged_expenses.version,
    judged_expenses.expense,
    coalesce(expense_copies.expense_id, judged_expenses.row_id) as expense_id
from judged_expenses
left join expense_copies
    on judged_expenses.report = expense_copies.report
        and judged_expenses.version = expense_copies.version
        and judged_expenses.expense = expense_copies.expense
