-- The returns whose form is right: one row per return.
-- In: judged_payment_returns, findings. Out: accepted_returns. Spec: section 3.
select judged_payment_returns.*
from judged_payment_returns
anti join findings
    on findings.table_name = 'payment_returns' and judged_payment_returns.row_id = findings.row_id
