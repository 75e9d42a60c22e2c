-- Splits without a section on an axis that is required, neither named nor inherited.
-- In: placed_expenses, expense_splits, combinations, named_sections, borne_sections, axes. Out: findings.
-- Spec: sections 3 and 4.
with

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
        combination,
        axis
    from borne_sections

    union

    select
        members.combination,
        named_sections.axis
    from (
        select
            combination,
            unnest(named) as number
        from combinations
    ) as members
    inner join named_sections on members.number = named_sections.number
),

-- Combination 0 is that of an expense that is not allocated.
missing_axes as (
    select
        every_combination.combination,
        required_axes.axis,
        required_axes.active_from,
        required_axes.active_to
    from (
        select combination from combinations
        union all
        select 0 as combination
    ) as every_combination
    cross join required_axes
    anti join borne_axes
        on every_combination.combination = borne_axes.combination and required_axes.axis = borne_axes.axis
)

select
    'expenses' as table_name,
    placed_expenses.row_id,
    missing_axes.axis as column_name,
    null::varchar as value,
    'axis ' || missing_axes.axis || ' is required'
    || if(
        expense_splits.split is null,
        ': allocate the expense to a section of it',
        ': split ' || expense_splits.split || ' has no section of it'
    )
        as message
from placed_expenses
left join expense_splits on placed_expenses.expense_id = expense_splits.expense_id
inner join missing_axes
    on coalesce(expense_splits.combination, 0) = missing_axes.combination
        and coalesce(placed_expenses.incurred_on >= missing_axes.active_from, true)
        and coalesce(placed_expenses.incurred_on <= missing_axes.active_to, true)
where
    not placed_expenses.is_cancelled
    -- A row without axis or section is another finding; it may be the one that is missed here.
    and (expense_splits.expense_id is null or (expense_splits.is_named and expense_splits.split is not null))
