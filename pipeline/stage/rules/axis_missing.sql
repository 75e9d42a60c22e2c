-- Splits without a section on an axis that is required, neither named nor inherited.
-- In: placed_expenses, attached_allocations, split_sections, axes. Out: findings. Spec: sections 3 and 4.
with

splits as (
    select
        placed_expenses.row_id,
        placed_expenses.report,
        placed_expenses.version,
        placed_expenses.expense,
        placed_expenses.incurred_on,
        coalesce(attached_allocations.split, 0) as split
    from placed_expenses
    left join attached_allocations
        on placed_expenses.report = attached_allocations.report
            and placed_expenses.version = attached_allocations.version
            and placed_expenses.expense = attached_allocations.expense
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
        report,
        version,
        expense,
        split,
        axis
    from split_sections

    union

    select
        report,
        version,
        expense,
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
    on splits.report = borne_axes.report
        and splits.version = borne_axes.version
        and splits.expense = borne_axes.expense
        and splits.split = borne_axes.split
        and required_axes.axis = borne_axes.axis
