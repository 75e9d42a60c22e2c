-- The active rows of allocations whose expense is there, with its number: one row per row.
-- In: active_allocations, expense_keys. Out: attached_allocations. Spec: section 2.
select
    active_allocations.row_id,
    expense_keys.expense_id,
    active_allocations.split,
    active_allocations.percent,
    active_allocations.axis,
    active_allocations.section
from active_allocations
inner join expense_keys
    on active_allocations.report = expense_keys.report
        and active_allocations.version = expense_keys.version
        and active_allocations.expense = expense_keys.expense
        and expense_keys.row_id = expense_keys.expense_id
