-- The IBANs of those whom a SEPA order may pay: one row per employee.
-- In: lines_in_reach, active_orders, employees. Out: payees. Spec: section 6.
select distinct
    employees.employee,
    employees.iban
from lines_in_reach
semi join active_orders
    on lines_in_reach.legal_entity = active_orders.legal_entity and active_orders.payment_mode = 'sepa'
inner join employees on lines_in_reach.employee = employees.employee
where employees.iban is not null
