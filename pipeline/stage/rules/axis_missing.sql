-- Splits without a section on an axis that is required, neither named nor inherited.
-- In: placed_expenses, attached_allocations, split_sections, axes. Out: findings. Spec: sections 3 and 4.
with

splits as (
    select
        placed_expenses.row_id,
        placed_expenses.expense_id,
        placed_expenses.incurred_on,
        coalesce(attached_allocations.split, 0) as split
    from placed_expenses
    left join attached_allocations
        on placed_expenses.expense_id = attached_allocations.expense_id
    where not placed_expenses.is_cancelled
    group by all
    -- A row without axis or section is another finding; it may be the one that is missed here.
    having bool_and(
            attached_allocations.row_id is null
            or (
                attached_allocations.split is not null
                and attached_allocations.axis is not null
                and attached_allocations.section is not null
            )
        )
),

required_axes as (
    select
        axis,
        active_from,
        active_to
    from axes
    where required
),

-- A section that does not exist names its axis all the same: unknown_section speaks of it.
borne_axes as (
    select
        expense_id,
        split,
        axis
    from split_sections

    union

    select
        expense_id,
        split,
        axis
    from attached_allocations
)

select
    'expenses' as table_name,
    splits.row_id,
    required_axes.axis as column_name,
    null::varchar as value,
    'axis ' || required_axes.axis || ' is required'
    || if(
        splits.split = 0,
        ': allocate the expense to a section of it',
        ': split ' || splits.split || ' has no section of it'
    )
        as message
from splits
inner join required_axes
    on coalesce(splits.incurred_on >= required_axes.active_from, true)
        and coalesce(splits.incurred_on <= required_axes.active_to, true)
anti join borne_axes
    on splits.expense_id = borne_axes.expense_id
        and splits.split = borne_axes.split
        and required_axes.axis = borne_axes.axis
