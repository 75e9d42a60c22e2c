-- Each expense's charge shared out over its splits: one row per (expense, split); split 0 where it is not allocated.
-- In: expense_amounts, attached_allocations, sections_of_splits. Out: charge_shares.
-- Spec: section 4, "Allocations" (largest remainder in minor units of |charge|, ties to the lowest split).
with

splits as (
    select
        expense_amounts.expense_id,
        attached_allocations.split,
        e4(min(attached_allocations.percent)) as percent_e4,
        min(abs(expense_amounts.charge_minor::hugeint)) as charge_magnitude,
        min(abs(expense_amounts.charge_foreign_minor::hugeint)) as foreign_magnitude,
        min(sign(expense_amounts.charge_minor)) as charge_sign,
        min(sign(expense_amounts.charge_foreign_minor)) as foreign_sign
    from attached_allocations
    inner join expense_amounts
        on attached_allocations.expense_id = expense_amounts.expense_id
    group by expense_amounts.expense_id, attached_allocations.split
),

shares as (
    select
        *,
        charge_magnitude * percent_e4 // 1000000 as share,
        foreign_magnitude * percent_e4 // 1000000 as foreign_share,
        charge_magnitude * percent_e4 % 1000000 as remainder,
        foreign_magnitude * percent_e4 % 1000000 as foreign_remainder
    from splits
),

turns as (
    select
        *,
        charge_magnitude - sum(share) over (partition by expense_id) as left_over,
        foreign_magnitude - sum(foreign_share) over (partition by expense_id) as foreign_left_over,
        row_number() over (partition by expense_id order by remainder desc, split asc) as turn,
        row_number() over (partition by expense_id order by foreign_remainder desc, split asc) as foreign_turn
    from shares
),

allocated_shares as (
    select
        turns.expense_id,
        turns.split,
        (turns.charge_sign * (turns.share + if(turns.turn <= turns.left_over, 1, 0)))::bigint as minor,
        (turns.foreign_sign * (turns.foreign_share + if(turns.foreign_turn <= turns.foreign_left_over, 1, 0)))::bigint
            as foreign_minor,
        sections_of_splits.sections
    from turns
    left join sections_of_splits
        on turns.expense_id = sections_of_splits.expense_id and turns.split = sections_of_splits.split
),

charge_shares as (
    select * from allocated_shares

    union all

    select
        expense_amounts.expense_id,
        0 as split,
        expense_amounts.charge_minor as minor,
        expense_amounts.charge_foreign_minor as foreign_minor,
        null::sections_by_axis as sections
    from expense_amounts
    anti join allocated_shares on expense_amounts.expense_id = allocated_shares.expense_id
)

select * from charge_shares
