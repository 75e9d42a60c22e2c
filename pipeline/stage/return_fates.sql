-- What becomes of each row of payment_returns: one row per row.
-- In: staged_payment_returns, known_returns. Out: return_fates. Spec: section 3 (a return already taken).
with

fresh_keys as (
    select distinct
        payment_order,
        employee
    from staged_payment_returns
    where origin = 'batch' and payment_order is not null
),

fresh_loners as (
    select distinct malformed
    from staged_payment_returns
    where origin = 'batch' and payment_order is null
)

select
    'payment_returns' as table_name,
    staged_payment_returns.row_id,
    case
        when staged_payment_returns.payment_order is null and staged_payment_returns.origin = 'batch' then 'alone'
        when staged_payment_returns.payment_order is null and fresh_loners.malformed is not null then 'superseded'
        when staged_payment_returns.payment_order is null then 'waiting_alone'
        when staged_payment_returns.origin <> 'batch' and fresh_keys.payment_order is not null then 'superseded'
        when known_returns.payment_order is null then 'judge'
        when
            known_returns.returned_on = staged_payment_returns.returned_on
            and coalesce(known_returns.reason, '') = coalesce(staged_payment_returns.reason, '')
            then 'unchanged'
        else 'conflict'
    end as fate
from staged_payment_returns
left join fresh_keys
    on staged_payment_returns.payment_order = fresh_keys.payment_order
        and staged_payment_returns.employee is not distinct from fresh_keys.employee
left join fresh_loners on staged_payment_returns.malformed = fresh_loners.malformed
left join known_returns
    on staged_payment_returns.payment_order = known_returns.payment_order
        and staged_payment_returns.employee = known_returns.employee
