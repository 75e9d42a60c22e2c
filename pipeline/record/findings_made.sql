-- The findings of this run: one row per finding, in the quarantine's own columns.
-- fate: of the row that waits: document, orphan, alone; left_out for an employee whom an order leaves out.
-- In: findings, row_outcomes, unpaid_returns, left_out, active_orders. Out: findings_made. Spec: section 3.
with

judged_findings as (
    select
        findings.table_name,
        findings.document,
        findings.version,
        findings.row_key,
        findings.rule,
        findings.column_name,
        findings.value,
        findings.message,
        row_outcomes.waiting_fate as fate,
        null::varchar as legal_entity,
        null::varchar as employee
    from findings
    inner join row_outcomes
        on findings.table_name = row_outcomes.table_name and findings.row_id = row_outcomes.row_id
),

return_findings as (
    select
        'payment_returns' as table_name,
        payment_order as document,
        null::integer as version,
        payment_order || '|' || employee as row_key,
        'unknown_payment' as rule,
        'payment_order' as column_name,
        payment_order as value,
        'order ' || payment_order || ' made no payment to ' || employee
        || ' that is still in force: mend the order or the employee' as message,
        'document' as fate,
        null::varchar as legal_entity,
        null::varchar as employee
    from unpaid_returns
),

left_out_findings as (
    select
        'payment_orders' as table_name,
        left_out.payment_order as document,
        active_orders.version,
        left_out.payment_order || '|' || left_out.employee as row_key,
        left_out.rule,
        case left_out.rule when 'invalid_iban' then 'iban' when 'unknown_employee' then 'employee' end as column_name,
        case left_out.rule when 'invalid_iban' then left_out.value when 'unknown_employee' then left_out.employee end
            as value,
        case left_out.rule
            when 'invalid_iban'
                then 'employee ' || left_out.employee
                    || ' has no valid IBAN in the SEPA zone and was not paid: mend it in employees, the next order pays'
            when 'unknown_employee'
                then 'employee ' || left_out.employee
                    || ' is no longer in employees and was not paid: add them again, the next order pays'
            else
                'the chart of ' || left_out.legal_entity || ' has no payment_compensation account for key '
                || active_orders.compensation_key || ', so employee ' || left_out.employee
                || ' was not paid: add a row to chart_of_accounts, the next order pays'
        end as message,
        'left_out' as fate,
        left_out.legal_entity,
        left_out.employee
    from left_out
    inner join active_orders on left_out.payment_order = active_orders.payment_order
)

select * from judged_findings
union all
select * from return_findings
union all
select * from left_out_findings
