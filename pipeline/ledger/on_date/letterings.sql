-- The letterings made by the end of a day, in force or dissolved: one row per lettering.
-- A lettering is there once all of its lines are: a posting date may be after the order's event date.
-- In: recorded_letterings, recorded_lettering_lines, the variable as_of_date. Out: stored_letterings. Spec: section 5.
with

unfinished_letterings as (
    select distinct
        legal_entity,
        employee,
        lettering
    from recorded_lettering_lines
    where entry_date > getvariable('as_of_date')
)

select recorded_letterings.*
from recorded_letterings
anti join unfinished_letterings
    on recorded_letterings.legal_entity = unfinished_letterings.legal_entity
        and recorded_letterings.employee = unfinished_letterings.employee
        and recorded_letterings.lettering = unfinished_letterings.lettering
where recorded_letterings.lettered_on <= getvariable('as_of_date')
