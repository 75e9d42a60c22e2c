-- The open findings of earlier runs with the part that takes care of each: one row per finding.
-- Those on orders are of every part's knowledge, and of part 0 to record; whom an order left out, of the employee's.
-- In: stored_findings, document_parts, return_keys. Out: finding_parts.
with

report_parts as (
    select
        document,
        part
    from document_parts
    where document_kind = 'expense_report'
),

advance_parts as (
    select
        document,
        part
    from document_parts
    where document_kind = 'advance'
),

return_parts as (
    select
        document,
        row_key,
        any_value(part) as part
    from return_keys
    group by document, row_key
)

select
    stored_findings.*,
    case
        when stored_findings.fate = 'left_out' then employee_part(stored_findings.employee)
        when stored_findings.table_name in ('payment_orders', 'payment_exclusions') then 0
        when stored_findings.table_name = 'payment_returns' then coalesce(return_parts.part, 0)
        when stored_findings.table_name = 'advances'
            then coalesce(advance_parts.part, document_part(stored_findings.document))
        else coalesce(report_parts.part, document_part(stored_findings.document))
    end as part
from stored_findings
left join report_parts on stored_findings.document = report_parts.document
left join advance_parts on stored_findings.document = advance_parts.document
left join return_parts
    on stored_findings.row_key = return_parts.row_key
        and stored_findings.document is not distinct from return_parts.document
