-- What the run posts to each journal: one row per (legal entity, journal). amount: of the debits, in its currency.
-- In: lines, entries. Out: entry_sums.
select
    entries.legal_entity,
    entries.journal,
    any_value(entries.currency) as currency,
    count(distinct entries.entry_id) as entries,
    count(*) as lines,
    sum(greatest(lines.amount, 0))::decimal(18, 4) as amount
from lines
inner join entries on lines.entry_id = entries.entry_id
group by entries.legal_entity, entries.journal
