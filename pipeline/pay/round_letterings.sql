-- The letterings that this turn makes: one row per employee paid or settled.
-- In: round_balances, active_orders, lettering_counts, new_letterings. Out: rows of new_letterings. Spec: section 5.
with

counts as (
    select
        legal_entity,
        employee,
        count(*) as made
    from new_letterings
    group by legal_entity, employee
)

select
    round_balances.legal_entity,
    round_balances.employee,
    lettering_code(coalesce(lettering_counts.lettering_count, 0) + coalesce(counts.made, 0) + 1) as lettering,
    active_orders.event_date as lettered_on,
    round_balances.payment_order
from round_balances
inner join active_orders on round_balances.payment_order = active_orders.payment_order
left join lettering_counts
    on round_balances.legal_entity = lettering_counts.legal_entity
        and round_balances.employee = lettering_counts.employee
left join counts
    on round_balances.legal_entity = counts.legal_entity and round_balances.employee = counts.employee
where round_balances.outcome in ('paid', 'settled')
