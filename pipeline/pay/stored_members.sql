-- The lines of the touched letterings as they are in the ledger: one row per (lettering, line).
-- In: touched_letterings, stored_lettering_lines. Out: stored_members. Spec: section 5.
select stored_lettering_lines.*
from stored_lettering_lines
semi join touched_letterings
    on stored_lettering_lines.legal_entity = touched_letterings.legal_entity
        and stored_lettering_lines.employee = touched_letterings.employee
        and stored_lettering_lines.lettering = touched_letterings.lettering
