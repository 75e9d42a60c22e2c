-- What the run adds to each account: one row per (legal entity, account, auxiliary).
-- In: account_sums. Out: rows of the stored kind `balances`. Spec: section 7.
select
    $run::bigint as run,
    legal_entity,
    account,
    auxiliary,
    sum(debit)::decimal(18, 4) as debit,
    sum(credit)::decimal(18, 4) as credit
from account_sums
group by legal_entity, account, auxiliary
order by legal_entity, account, auxiliary
