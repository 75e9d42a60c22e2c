-- Advances of zero or less: the movement gives the direction, not the sign.
-- In: active_advances. Out: findings. Spec: section 3.
select
    'advances' as table_name,
    row_id,
    'amount' as column_name,
    shown(amount) as value,
    'the amount of an advance is above 0: money that comes back is a reimbursement' as message
from active_advances
where amount <= 0
