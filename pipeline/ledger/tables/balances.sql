-- What each account adds up to: one row per (legal entity, account, auxiliary).
-- In: stored_balances. Out: balances (balance: debit positive). Spec: section 7.
select
    legal_entity,
    account,
    auxiliary,
    sum(debit)::decimal(18, 4) as debit,
    sum(credit)::decimal(18, 4) as credit,
    (sum(debit) - sum(credit))::decimal(18, 4) as balance
from stored_balances
group by legal_entity, account, auxiliary
