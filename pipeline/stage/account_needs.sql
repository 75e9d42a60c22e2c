-- The accounts that the judged documents may come to need: one row per (legal entity, role, key, employee).
-- employee is '*' for all whom the chart does not name.
-- In: placed_expenses, attached_expense_taxes, vat_codes, judged_advances, special_employees. Out: account_needs.
-- Spec: section 3, `no_account`; section 4, "Accounts".
with

expenses as (
    select distinct
        legal_entity,
        account_employee as employee,
        expense_type,
        payment_method,
        is_personal
    from placed_expenses
    where is_known_entity and not is_cancelled
),

taxes as (
    select distinct
        placed_expenses.legal_entity,
        placed_expenses.account_employee as employee,
        attached_expense_taxes.vat_code
    from attached_expense_taxes
    inner join placed_expenses
        on attached_expense_taxes.expense_id = placed_expenses.expense_id
    inner join vat_codes on attached_expense_taxes.vat_code = vat_codes.vat_code
    where placed_expenses.is_known_entity and vat_codes.recoverable_percent > 0
),

advances as (
    select distinct
        judged_advances.legal_entity,
        coalesce(special_employees.employee, '*') as employee,
        judged_advances.kind,
        judged_advances.compensation
    from judged_advances
    left join special_employees on judged_advances.employee = special_employees.employee
    where judged_advances.legal_entity is not null
),

account_needs as (
    select
        legal_entity,
        'charge' as role,
        expense_type as key,
        employee
    from expenses
    where expense_type is not null

    union

    select
        legal_entity,
        'company_paid' as role,
        payment_method as key,
        employee
    from expenses
    where not is_personal

    union

    select
        expenses.legal_entity,
        employee_roles.role,
        '*' as key,
        expenses.employee
    from expenses
    cross join (values ('employee'), ('advance_one_time')) as employee_roles (role)
    where expenses.is_personal

    union

    select
        legal_entity,
        'vat' as role,
        vat_code as key,
        employee
    from taxes

    union

    select
        advances.legal_entity,
        employee_roles.role,
        '*' as key,
        advances.employee
    from advances
    cross join (values ('employee'), ('advance_one_time'), ('advance_regular')) as employee_roles (role)

    union

    select
        legal_entity,
        'advance_compensation' as role,
        compensation as key,
        employee
    from advances
    where compensation is not null
)

select * from account_needs
