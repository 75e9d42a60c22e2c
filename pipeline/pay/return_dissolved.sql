-- The letterings that this turn's returns dissolve: one row per lettering.
-- In: round_returns, members. Out: round_dissolved. Spec: sections 5 and 6.
select
    members.legal_entity,
    members.employee,
    members.lettering,
    greatest(
        any_value(members.lettered_on),
        arg_min(round_returns.event_date, (round_returns.returned_on, round_returns.payment_order))
    ) as dissolved_on
from members
inner join round_returns on members.entry_id = round_returns.entry_id
group by members.legal_entity, members.employee, members.lettering
