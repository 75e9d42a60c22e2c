-- The payments that the run makes, cancels or takes back: one row per (order, employee).
-- In: payments_now, entry_keys. Out: rows of the stored kind `payments`. Spec: section 7.
select
    $run::bigint as run,
    payments_now.payment_order,
    payments_now.legal_entity,
    payments_now.employee,
    payments_now.amount,
    payments_now.iban,
    entry_keys.journal_code,
    entry_keys.fiscal_year,
    entry_keys.entry_number,
    payments_now.status
from payments_now
inner join entry_keys on payments_now.entry_id = entry_keys.entry_id
where payments_now.is_changed
order by payments_now.payment_order, payments_now.employee
