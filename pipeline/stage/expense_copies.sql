-- The expenses that stand more than once in their report's version: one row per expense that does.
-- In: judged_expenses. Out: expense_copies. Spec: section 2, "Keys".
select
    report,
    version,
    expense,
    min(row_id) as expense_id,
    count(*) as copies
from judged_expenses
group by report, version, expense
having count(*) > 1
