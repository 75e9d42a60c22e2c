-- A declared or approved report without an expense.
-- In: active_expense_reports, judged_expenses. Out: findings. Spec: section 3.
select
    'expense_reports' as table_name,
    active_expense_reports.row_id,
    null::varchar as column_name,
    null::varchar as value,
    'the report has no expense: send its expenses with it, or cancel it' as message
from active_expense_reports
anti join judged_expenses
    on active_expense_reports.report = judged_expenses.report
        and active_expense_reports.version = judged_expenses.version
where active_expense_reports.status in ('declared', 'approved')
