-- The open lines that the orders of this turn look at: one row per (order, line).
-- is_blocked: after the cutoff, of an excluded report, or of one that still has to be approved.
-- In: active_orders, open_lines, exclusions, report_statuses. Out: round_candidates. Spec: section 6.
with

round_orders as (
    select
        payment_order,
        legal_entity,
        cutoff_on,
        approval
    from active_orders
    where turn = $turn
),

excluded_employees as (
    select
        payment_order,
        employee
    from exclusions
    where employee is not null
),

excluded_reports as (
    select distinct
        payment_order,
        report
    from exclusions
    where report is not null
)

select
    round_orders.payment_order,
    open_lines.line_id,
    open_lines.legal_entity,
    open_lines.employee,
    open_lines.entry_id,
    open_lines.reverses_entry_id,
    open_lines.last_lettering,
    open_lines.entry_date > round_orders.cutoff_on
    or (open_lines.document_kind = 'expense_report' and excluded_reports.report is not null)
    or (
        round_orders.approval = 'required'
        and open_lines.document_kind = 'expense_report'
        and coalesce(report_statuses.status, 'declared') not in ('approved', 'cancelled')
    ) as is_blocked
from open_lines
inner join round_orders on open_lines.legal_entity = round_orders.legal_entity
anti join excluded_employees
    on round_orders.payment_order = excluded_employees.payment_order
        and open_lines.employee = excluded_employees.employee
left join excluded_reports
    on round_orders.payment_order = excluded_reports.payment_order
        and open_lines.document = excluded_reports.report
left join report_statuses
    on round_orders.approval = 'required' and open_lines.document = report_statuses.report
