-- The returns whose turn it is, with the payment that each takes back: one row per return.
-- A return comes after the orders of its legal entity created on its day or earlier; turn counts those.
-- In: accepted_returns, active_orders, payments_now, known_orders. Out: round_returns. Spec: section 6.
with

turns as (
    select
        accepted_returns.row_id,
        accepted_returns.payment_order,
        accepted_returns.employee,
        accepted_returns.returned_on,
        known_orders.legal_entity,
        known_orders.version,
        known_orders.event_date as order_event_date,
        count(active_orders.payment_order) as turn
    from accepted_returns
    left join known_orders on accepted_returns.payment_order = known_orders.payment_order
    left join active_orders
        on known_orders.legal_entity = active_orders.legal_entity
            and accepted_returns.returned_on >= active_orders.created_on
    group by all
)

select
    turns.*,
    greatest(turns.returned_on, turns.order_event_date) as event_date,
    payments_now.entry_id
from turns
left join payments_now
    on turns.payment_order = payments_now.payment_order
        and turns.employee = payments_now.employee
        and payments_now.status = 'paid'
where turns.turn = $turn
