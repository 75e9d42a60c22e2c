-- Whom and what the orders of this run leave out: one row per exclusion.
-- In: judged_payment_exclusions, active_orders. Out: exclusions. Spec: section 6.
select
    judged_payment_exclusions.payment_order,
    judged_payment_exclusions.report,
    judged_payment_exclusions.employee
from judged_payment_exclusions
semi join active_orders on judged_payment_exclusions.payment_order = active_orders.payment_order
