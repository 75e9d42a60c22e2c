-- The legal entities in which this run pays: one row per legal entity.
-- In: active_orders. Out: paying_entities.
select distinct legal_entity
from active_orders
