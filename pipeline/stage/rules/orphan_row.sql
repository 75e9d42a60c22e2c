-- Rows whose document, version or expense the batch does not bring.
-- In: row_fates, the staged tables' rows, loose_expense_taxes, loose_allocations. Out: findings. Spec: section 3.
with

rows_without_document as (
    select
        table_name,
        row_id,
        null::varchar as column_name,
        null::varchar as value,
        case
            when table_name = 'payment_exclusions'
                then 'the batch has no order of this id: send the exclusion together with its order'
            else 'the batch has no report of this id and version: send the row together with its report'
        end as message
    from row_fates
    where fate = 'orphan'
),

taxes_without_expense as (
    select
        'expense_taxes' as table_name,
        row_id,
        'expense' as column_name,
        expense as value,
        'the report has no expense of this id: send the expense, or leave its VAT row out' as message
    from loose_expense_taxes
    where expense is not null
),

allocations_without_expense as (
    select
        'allocations' as table_name,
        row_id,
        'expense' as column_name,
        expense as value,
        'the report has no expense of this id: send the expense, or leave its allocation out' as message
    from loose_allocations
    where expense is not null
)

select * from rows_without_document
union all
select * from taxes_without_expense
union all
select * from allocations_without_expense
