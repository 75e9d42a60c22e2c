-- The returns that the run takes: one row per (order, employee).
-- In: accepted_returns, unpaid_returns. Out: rows of the stored kind `payment_returns`. Spec: section 3.
select
    $run::bigint as run,
    accepted_returns.payment_order,
    accepted_returns.employee,
    accepted_returns.returned_on,
    accepted_returns.reason
from accepted_returns
anti join unpaid_returns on accepted_returns.row_id = unpaid_returns.row_id
order by accepted_returns.payment_order, accepted_returns.employee
