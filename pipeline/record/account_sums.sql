-- What the run's lines add to each account: one row per (legal entity, account, auxiliary).
-- In: lines, entries. Out: account_sums. Spec: section 7, balances.
select
    entries.legal_entity,
    lines.account,
    lines.auxiliary,
    sum(greatest(lines.amount, 0))::decimal(18, 4) as debit,
    sum(greatest(-lines.amount, 0))::decimal(18, 4) as credit
from lines
inner join entries on lines.entry_id = entries.entry_id
group by entries.legal_entity, lines.account, lines.auxiliary
