-- The judged rows of allocations with the number of their expense, null where it is not there: one row per row.
-- is_active: whether their report is not cancelled.
-- In: judged_allocations, expense_keys, cancelled_reports. Out: matched_allocations. Spec: section 2.
select
    judged_allocations.row_id,
    expense_keys.expense_id,
    cancelled_reports.report is null as is_active,
    judged_allocations.split,
    judged_allocations.percent,
    judged_allocations.axis,
    judged_allocations.section
from judged_allocations
left join expense_keys
    on judged_allocations.report = expense_keys.report
        and judged_allocations.version = expense_keys.version
        and judged_allocations.expense = expense_keys.expense
        and expense_keys.row_id = expense_keys.expense_id
left join cancelled_reports on judged_allocations.report = cancelled_reports.report
