-- The lines of the letterings made by the end of a day: one row per (lettering, line).
-- In: recorded_lettering_lines, stored_letterings. Out: stored_lettering_lines. Spec: section 5.
select recorded_lettering_lines.*
from recorded_lettering_lines
semi join stored_letterings
    on recorded_lettering_lines.legal_entity = stored_letterings.legal_entity
        and recorded_lettering_lines.employee = stored_letterings.employee
        and recorded_lettering_lines.lettering = stored_letterings.lettering
