-- What each accepted expense amounts to, in whole minor units: one row per expense.
-- *_minor: of the legal entity's currency; *_foreign_minor: the same computation in the expense's own, at rate 1.
-- In: gross_amounts, recoverable_amounts. Out: expense_amounts. Spec: section 4, "Amounts of an expense".
with

recoverable_totals as (
    select
        expense_id,
        sum(minor)::bigint as minor,
        sum(foreign_minor)::bigint as foreign_minor
    from recoverable_amounts
    group by expense_id
)

select
    gross_amounts.*,
    gross_amounts.gross_minor - coalesce(recoverable_totals.minor, 0) as charge_minor,
    gross_amounts.gross_foreign_minor - coalesce(recoverable_totals.foreign_minor, 0) as charge_foreign_minor
from gross_amounts
left join recoverable_totals on gross_amounts.expense_id = recoverable_totals.expense_id
