-- The payments as they stand: one row per (order, employee).
-- In: stored_payments. Out: payments. Spec: section 7.
select
    payment_order,
    legal_entity,
    employee,
    amount,
    iban,
    journal_code,
    fiscal_year,
    entry_number,
    status
from stored_payments
qualify row_number() over (partition by payment_order, employee order by run desc) = 1
