-- The lines of the payment entries of this turn: one row per line that is not 0, debit positive.
-- A settled account needs an entry only where its accounts do not balance one by one.
-- In: round_eligible, round_balances. Out: round_drafts. Spec: section 6.
with

account_balances as (
    select
        round_eligible.payment_order,
        round_eligible.legal_entity,
        round_eligible.employee,
        round_eligible.account,
        round_eligible.auxiliary,
        sum(round_eligible.owed)::decimal(18, 4) as amount
    from round_eligible
    inner join round_balances
        on round_eligible.payment_order = round_balances.payment_order
            and round_eligible.employee = round_balances.employee
    where round_balances.outcome in ('paid', 'settled')
    group by all
),

drafts as (
    select
        payment_order,
        legal_entity,
        employee,
        'employee' as role,
        account,
        auxiliary,
        'D' as nominal_side,
        amount
    from account_balances
    where amount <> 0

    union all

    select
        payment_order,
        legal_entity,
        employee,
        'payment_compensation' as role,
        account,
        auxiliary,
        'C' as nominal_side,
        (-balance)::decimal(18, 4) as amount
    from round_balances
    where outcome = 'paid'
)

select
    *,
    row_number() over (
        partition by payment_order, employee
        order by role, account, auxiliary nulls first
    )::integer as line_number
from drafts
