-- Expenses without a legal entity of their own, on a day on which their employee belongs to none.
-- An employee who is unknown is another finding.
-- In: placed_expenses, employees. Out: findings. Spec: section 4, "Legal entity of an expense".
select
    'expenses' as table_name,
    placed_expenses.row_id,
    'incurred_on' as column_name,
    placed_expenses.incurred_on::varchar as value,
    'employee ' || placed_expenses.employee || ' belongs to no legal entity on ' || placed_expenses.incurred_on
    || ': add an affiliation from that day, or name the legal entity in the expense' as message
from placed_expenses
semi join employees on placed_expenses.employee = employees.employee
where
    placed_expenses.kept_entity is null
    and placed_expenses.given_entity is null
    and placed_expenses.affiliated_entity is null
    and placed_expenses.incurred_on is not null
    and not placed_expenses.is_cancelled
