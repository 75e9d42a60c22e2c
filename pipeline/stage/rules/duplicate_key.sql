-- Rows that share a key with another row of the same document version; every copy is named.
-- In: duplicate_rows. Out: findings. Spec: section 2, "Keys"; section 3.
select
    table_name,
    row_id,
    null::varchar as column_name,
    null::varchar as value,
    'this key stands ' || copies || ' times: send each row once' as message
from duplicate_rows
