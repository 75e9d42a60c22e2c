-- What each run added to the books: one row per (run, legal entity).
-- In: stored_balances. Out: runs_posted.
select
    run,
    legal_entity,
    sum(debit)::decimal(18, 4) as debit,
    sum(credit)::decimal(18, 4) as credit
from stored_balances
group by run, legal_entity
order by run, legal_entity
