-- What a run did, from the ledger alone: a row a legal entity and journal that it posted to.
-- In: stored_entry_lines. Out: run_entries.
select
    legal_entity,
    journal,
    any_value(currency) as currency,
    count(distinct [journal_code, fiscal_year::varchar, entry_number::varchar]) as entries,
    count(*) as lines,
    sum(debit)::decimal(18, 4) as amount
from stored_entry_lines
where run = $run
group by legal_entity, journal
order by legal_entity, journal
