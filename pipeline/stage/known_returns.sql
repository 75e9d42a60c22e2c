-- The returns already taken that the batch sends again: one row per (order, employee).
-- In: staged_payment_returns, stored_payment_returns. Out: known_returns. Spec: section 3.
select distinct
    stored_payment_returns.payment_order,
    stored_payment_returns.employee,
    stored_payment_returns.returned_on,
    stored_payment_returns.reason
from stored_payment_returns
semi join staged_payment_returns
    on stored_payment_returns.payment_order = staged_payment_returns.payment_order
        and stored_payment_returns.employee = staged_payment_returns.employee
