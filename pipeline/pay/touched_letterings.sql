-- The letterings in force that hold a line of a touched entry: one row per lettering.
-- dissolved_on: the event date of what dissolves it, not before lettered_on; null where only a return may.
-- In: touched_entries, stored_lettering_lines, stored_letterings, stored_deletterings. Out: touched_letterings.
-- Spec: section 5.
with

held_entries as (
    select
        stored_lettering_lines.legal_entity,
        stored_lettering_lines.employee,
        stored_lettering_lines.lettering,
        touched_entries.event_date,
        touched_entries.stage
    from stored_lettering_lines
    inner join touched_entries
        on stored_lettering_lines.legal_entity = touched_entries.legal_entity
            and stored_lettering_lines.employee = touched_entries.employee
            and stored_lettering_lines.journal_code = touched_entries.journal_code
            and stored_lettering_lines.fiscal_year = touched_entries.fiscal_year
            and stored_lettering_lines.entry_number = touched_entries.entry_number
),

-- What comes first dissolves it: the documents by their event dates, then the orders.
dissolved_letterings as (
    select
        legal_entity,
        employee,
        lettering,
        coalesce(min(event_date) filter (where stage = 0), min(event_date) filter (where stage = 1)) as event_date
    from held_entries
    group by legal_entity, employee, lettering
)

select
    dissolved_letterings.legal_entity,
    dissolved_letterings.employee,
    dissolved_letterings.lettering,
    stored_letterings.lettered_on,
    greatest(dissolved_letterings.event_date, stored_letterings.lettered_on) as dissolved_on,
    dissolved_letterings.event_date is not null as is_dissolved
from dissolved_letterings
inner join stored_letterings
    on dissolved_letterings.legal_entity = stored_letterings.legal_entity
        and dissolved_letterings.employee = stored_letterings.employee
        and dissolved_letterings.lettering = stored_letterings.lettering
anti join stored_deletterings
    on dissolved_letterings.legal_entity = stored_deletterings.legal_entity
        and dissolved_letterings.employee = stored_deletterings.employee
        and dissolved_letterings.lettering = stored_deletterings.lettering
