-- What each employee is owed by an order of this turn, and what keeps them from being paid: one row per payee.
-- outcome: paid, settled (exactly 0), left_out, or nothing (the employee owes).
-- In: round_eligible, active_orders, employees, payee_ibans, payment_accounts, special_employees.
-- Out: round_balances. Spec: section 6.
with

balances as (
    select
        payment_order,
        legal_entity,
        employee,
        sum(owed)::decimal(18, 4) as balance
    from round_eligible
    group by payment_order, legal_entity, employee
),

payees as (
    select
        balances.*,
        active_orders.payment_mode,
        active_orders.compensation_key,
        employees.employee is not null as is_known,
        employees.name,
        employees.auxiliary as own_auxiliary,
        employees.iban as given_iban,
        coalesce(payee_ibans.is_payable, false) as is_payable,
        payment_accounts.account,
        payment_accounts.auxiliary
    from balances
    inner join active_orders on balances.payment_order = active_orders.payment_order
    left join employees on balances.employee = employees.employee
    left join payee_ibans on employees.iban = payee_ibans.iban
    left join special_employees on balances.employee = special_employees.employee
    left join payment_accounts
        on balances.legal_entity = payment_accounts.legal_entity
            and active_orders.compensation_key = payment_accounts.key
            and coalesce(special_employees.employee, '*') = payment_accounts.employee
)

select
    payment_order,
    legal_entity,
    employee,
    balance,
    payment_mode,
    name,
    given_iban as iban,
    rendered(account, employee, coalesce(own_auxiliary, employee), legal_entity, compensation_key) as account,
    rendered(auxiliary, employee, coalesce(own_auxiliary, employee), legal_entity, compensation_key) as auxiliary,
    case
        when balance < 0 then 'nothing'
        when balance = 0 then 'settled'
        when not is_known or account is null or (payment_mode = 'sepa' and not is_payable) then 'left_out'
        else 'paid'
    end as outcome,
    case
        when balance <= 0 then []
        else list_filter(
                [
                    if(is_known, null, 'unknown_employee'),
                    if(account is null, 'no_account', null),
                    if(is_known and payment_mode = 'sepa' and not is_payable, 'invalid_iban', null)
                ],
                lambda rule: rule is not null
            )
    end as rules
from payees
