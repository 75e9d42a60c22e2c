-- Accounts whose kept balance is not what their lines add up to: one row per account.
-- In: stored_entry_lines, balances. Out: violations. Spec: sections 7 and 8.
with

sums as (
    select
        legal_entity,
        account,
        auxiliary,
        sum(debit) as debit,
        sum(credit) as credit
    from stored_entry_lines
    group by legal_entity, account, auxiliary
)

select
    coalesce(sums.legal_entity, balances.legal_entity) as legal_entity,
    coalesce(sums.account, balances.account) as account,
    coalesce(sums.auxiliary, balances.auxiliary) as auxiliary,
    sums.debit,
    balances.debit as kept_debit,
    sums.credit,
    balances.credit as kept_credit
from sums
full join balances
    on sums.legal_entity = balances.legal_entity
        and sums.account = balances.account
        and sums.auxiliary is not distinct from balances.auxiliary
where sums.debit is distinct from balances.debit or sums.credit is distinct from balances.credit
