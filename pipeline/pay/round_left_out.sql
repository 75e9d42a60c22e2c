-- Those whom an order of this turn leaves out: one row per (order, employee, rule).
-- In: round_balances. Out: rows of left_out. Spec: sections 3 and 6.
select
    payment_order,
    $turn::bigint as turn,
    legal_entity,
    employee,
    unnest(rules) as rule,
    iban as value
from round_balances
where outcome = 'left_out'
