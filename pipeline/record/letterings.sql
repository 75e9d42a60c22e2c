-- The letterings that the run makes: one row per lettering.
-- In: new_letterings. Out: rows of the stored kind `letterings`. Spec: sections 5 and 7.
select
    $run::bigint as run,
    legal_entity,
    employee,
    lettering,
    lettered_on,
    $run::bigint as lettered_run,
    payment_order
from new_letterings
order by legal_entity, employee, lettering
