-- A number for each expense that is judged: one row per row of judged_expenses.
-- Copies of an expense have one number: what belongs to the expense belongs to each of them.
-- In: judged_expenses. Out: expense_keys. Spec: section 2.
with

copies as (
    select
        report,
        version,
        expense,
        min(row_id) as expense_id
    from judged_expenses
    group by report, version, expense
    having count(*) > 1
)

select
    judged_expenses.row_id,
    judged_expenses.report,
    judged_expenses.version,
    judged_expenses.expense,
    coalesce(copies.expense_id, judged_expenses.row_id) as expense_id
from judged_expenses
left join copies
    on judged_expenses.report = copies.report
        and judged_expenses.version = copies.version
        and judged_expenses.expense = copies.expense
