-- What the batch's rows say, the same in whatever order they come: one row per movement table that has rows.
-- The sums are text: they are larger than what a column of a file can hold.
-- In: document_rows, staged_payment_returns. Out: row_sums.
with

return_hashes as (
    select
        md5_lower(
            concat_ws(
                chr(31),
                payment_order,
                coalesce(employee, ''),
                coalesce(returned_on::varchar, ''),
                coalesce(reason, ''),
                coalesce(malformed::varchar, '')
            )
        )::hugeint as hashed
    from staged_payment_returns
    where origin = 'batch'
)

select
    table_name,
    count(*) as row_count,
    sum(values_hash::hugeint)::varchar as said,
    sum(values_hash::hugeint * if(table_name = 'payment_exclusions', 1, coalesce(version, 0)))::varchar as versions
from document_rows
where origin = 'batch'
group by table_name

union all

select
    'payment_returns' as table_name,
    count(*) as row_count,
    sum(hashed)::varchar as said,
    null as versions
from return_hashes
having count(*) > 0
