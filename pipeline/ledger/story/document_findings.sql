-- The findings on the documents of an id, open and resolved: one row per finding, with the kind of its document.
-- In: quarantine. Out: document_findings. Spec: section 3.
select
    case
        when table_name = 'advances' then 'advance'
        when table_name in ('payment_orders', 'payment_exclusions', 'payment_returns') then 'payment_order'
        else 'expense_report'
    end as document_kind,
    document,
    table_name,
    version,
    row_key,
    rule,
    column_name,
    value,
    message,
    first_run,
    last_run,
    resolved_run
from quarantine
where document = $what
