-- A version sent again with other values than it was posted or ignored with; a return sent again likewise.
-- In: document_rows, document_fates, staged_payment_returns, return_fates. Out: findings. Spec: section 3.
with

conflicts as (
    select
        document_rows.table_name,
        document_rows.row_id,
        document_rows.version
    from document_rows
    inner join document_fates
        on document_rows.document_kind = document_fates.document_kind
            and document_rows.document = document_fates.document
            and document_rows.version = document_fates.version
            and document_rows.origin = document_fates.origin
    where document_rows.is_header and document_fates.fate = 'conflict'
),

conflicting_returns as (
    select
        staged_payment_returns.row_id,
        staged_payment_returns.returned_on
    from staged_payment_returns
    inner join return_fates on staged_payment_returns.row_id = return_fates.row_id
    where return_fates.fate = 'conflict'
)

select
    table_name,
    row_id,
    'version' as column_name,
    version::varchar as value,
    'version ' || version || ' is in the ledger with other values: send changes as a higher version' as message
from conflicts

union all

select
    'payment_returns' as table_name,
    row_id,
    'returned_on' as column_name,
    returned_on::varchar as value,
    'this return is in the ledger with another date or reason' as message
from conflicting_returns
