-- The findings that name an employee: one row per finding. An order left them out, or a row names them and nobody knows
-- them.
-- In: stored_findings, stored_quarantine. Out: employee_findings. Spec: section 3.
with

findings as (
    select * from stored_findings
    where employee = $what or (column_name = 'employee' and value = $what)

    union all by name

    select * from stored_quarantine
    where employee = $what or (column_name = 'employee' and value = $what)
)

select
    legal_entity,
    table_name,
    document,
    version,
    row_key,
    rule,
    column_name,
    value,
    message,
    first_run,
    last_run,
    resolved_run
from findings
