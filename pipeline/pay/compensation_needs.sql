-- The compensation accounts that the orders may need: one row per (legal entity, role, key, employee).
-- In: active_orders, special_employees. Out: account_needs. Spec: section 4, "Accounts".
select distinct
    active_orders.legal_entity,
    'payment_compensation' as role,
    active_orders.compensation_key as key,
    payees.employee
from active_orders
cross join (
    select '*' as employee
    union all
    select special_employees.employee
    from special_employees
) as payees
