-- What the run adds to each account: one row per (legal entity, account, auxiliary).
-- In: new_entry_lines. Out: rows of the stored kind `balances`. Spec: section 7.
select
    $run::bigint as run,
    legal_entity,
    account,
    auxiliary,
    sum(debit)::decimal(18, 4) as debit,
    sum(credit)::decimal(18, 4) as credit
from new_entry_lines
group by legal_entity, account, auxiliary
order by legal_entity, account, auxiliary
