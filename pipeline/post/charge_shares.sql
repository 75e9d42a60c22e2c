-- Each expense's charge shared out over its splits: one row per (expense, split); split 0 where it is not allocated.
-- combination: of the sections that the split names.
-- In: expense_amounts, expense_splits. Out: charge_shares.
-- Spec: section 4, "Allocations" (largest remainder in minor units of |charge|, ties to the lowest split).
with

divided_expenses as (
    select expense_id
    from expense_splits
    group by expense_id
    having count(*) > 1 or min(percent) <> 100
),

-- One split of 100 percent is the charge as it stands: that most expenses are spared what follows.
whole_shares as (
    select
        expense_amounts.expense_id,
        coalesce(expense_splits.split, 0) as split,
        expense_amounts.charge_minor as minor,
        expense_amounts.charge_foreign_minor as foreign_minor,
        expense_splits.combination
    from expense_amounts
    anti join divided_expenses on expense_amounts.expense_id = divided_expenses.expense_id
    left join expense_splits on expense_amounts.expense_id = expense_splits.expense_id
),

splits as (
    select
        expense_amounts.expense_id,
        expense_splits.split,
        expense_splits.combination,
        e4(expense_splits.percent) as percent_e4,
        abs(expense_amounts.charge_minor::hugeint) as charge_magnitude,
        abs(expense_amounts.charge_foreign_minor::hugeint) as foreign_magnitude,
        sign(expense_amounts.charge_minor) as charge_sign,
        sign(expense_amounts.charge_foreign_minor) as foreign_sign
    from expense_splits
    inner join expense_amounts on expense_splits.expense_id = expense_amounts.expense_id
    semi join divided_expenses on expense_splits.expense_id = divided_expenses.expense_id
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

divided_shares as (
    select
        expense_id,
        split,
        (charge_sign * (share + if(turn <= left_over, 1, 0)))::bigint as minor,
        (foreign_sign * (foreign_share + if(foreign_turn <= foreign_left_over, 1, 0)))::bigint as foreign_minor,
        combination
    from turns
),

charge_shares as (
    select * from whole_shares
    union all
    select * from divided_shares
)

select * from charge_shares
