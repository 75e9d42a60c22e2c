-- The findings, open and resolved: one row per finding.
-- In: stored_findings, stored_quarantine. Out: quarantine. Spec: sections 3 and 7.
with

findings as (
    select * from stored_findings
    union all by name
    select * from stored_quarantine
)

select
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
