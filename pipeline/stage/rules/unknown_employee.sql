-- Reports and advances of somebody who is not in the table of employees.
-- In: active_expense_reports, active_advances, employees. Out: findings. Spec: section 3.
with

documents as (
    select
        'expense_reports' as table_name,
        row_id,
        employee
    from active_expense_reports

    union all

    select
        'advances' as table_name,
        row_id,
        employee
    from active_advances
)

select
    documents.table_name,
    documents.row_id,
    'employee' as column_name,
    documents.employee as value,
    'there is no employee ' || documents.employee || ': add them to employees, or mend the code' as message
from documents
anti join employees on documents.employee = employees.employee
where documents.employee is not null
