-- The stored payment entries that the run's returns name: one row per line.
-- In: accepted_returns, known_payments, stored_lines. Out: returnable_payments. Spec: section 6.
select stored_lines.*
from stored_lines
semi join (
    select known_payments.*
    from known_payments
    semi join accepted_returns
        on known_payments.payment_order = accepted_returns.payment_order
            and known_payments.employee = accepted_returns.employee
    where known_payments.status = 'paid'
) as payments
    on stored_lines.document = payments.payment_order
        and stored_lines.run = payments.run
        and stored_lines.employee = payments.employee
        and stored_lines.journal_code = payments.journal_code
        and stored_lines.fiscal_year = payments.fiscal_year
        and stored_lines.entry_number = payments.entry_number
where stored_lines.document_kind = 'payment_order' and not stored_lines.reversal
