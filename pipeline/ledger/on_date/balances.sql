-- What the lines dated up to a day add to each account: one row per (run, legal entity, account, auxiliary).
-- In: stored_entry_lines. Out: stored_balances. Spec: section 7.
select
    run,
    legal_entity,
    account,
    auxiliary,
    sum(debit)::decimal(18, 4) as debit,
    sum(credit)::decimal(18, 4) as credit
from stored_entry_lines
group by run, legal_entity, account, auxiliary
