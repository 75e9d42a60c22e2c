-- The letterings with what became of them: one row per lettering.
-- In: stored_letterings, stored_deletterings. Out: letterings. Spec: sections 5 and 7.
select
    stored_letterings.legal_entity,
    stored_letterings.employee,
    stored_letterings.lettering,
    stored_letterings.lettered_on,
    stored_letterings.lettered_run,
    stored_deletterings.delettered_on,
    stored_deletterings.delettered_run,
    stored_letterings.payment_order
from stored_letterings
left join stored_deletterings
    on stored_letterings.legal_entity = stored_deletterings.legal_entity
        and stored_letterings.employee = stored_deletterings.employee
        and stored_letterings.lettering = stored_deletterings.lettering
