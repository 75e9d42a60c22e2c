-- The open lines of the legal entities in which this run pays: one row per line, as the ledger has it.
-- In: stored_open_lines, active_orders. Out: stored_open. Spec: section 6.
with

lines_of_paying_entities as (
    select stored_open_lines.*
    from stored_open_lines
    semi join active_orders on stored_open_lines.legal_entity = active_orders.legal_entity
),

latest_states as (
    select *
    from lines_of_paying_entities
    qualify
        row_number() over (
            partition by legal_entity, journal_code, fiscal_year, entry_number, line_number
            order by run desc
        ) = 1
)

select *
from latest_states
where is_open
