-- The advances that may post something: all but cancellations of what was never posted. One row per advance.
-- A cancelled advance may leave more imputed than granted, which goes back to the employee.
-- In: judged_advances, document_fates. Out: accountable_advances. Spec: section 3, `no_account`.
select judged_advances.*
from judged_advances
inner join document_fates
    on document_fates.document_kind = 'advance' and judged_advances.advance = document_fates.document
where document_fates.was_posted or not document_fates.is_cancelled
