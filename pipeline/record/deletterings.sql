-- The letterings that the run dissolves: one row per lettering.
-- In: dissolved_letterings. Out: rows of the stored kind `deletterings`. Spec: sections 5 and 7.
select
    $run::bigint as run,
    legal_entity,
    employee,
    lettering,
    dissolved_on as delettered_on,
    $run::bigint as delettered_run
from dissolved_letterings
order by legal_entity, employee, lettering
