-- Documents for which the chart has no account of a role that they may come to need.
-- In: account_needs, accounts, placed_expenses, attached_expense_taxes, vat_codes, judged_expense_reports,
--     accountable_advances, special_employees, legal_entities. Out: findings.
-- Spec: section 3, `no_account`; section 4, "Accounts".
with

-- Few, if any: whose needs they are is looked for where there is one.
missing_accounts as (
    select
        account_needs.legal_entity,
        account_needs.role,
        account_needs.key,
        account_needs.employee
    from account_needs
    anti join accounts
        on account_needs.legal_entity = accounts.legal_entity
            and account_needs.role = accounts.role
            and account_needs.key = accounts.key
            and account_needs.employee = accounts.employee
),

expense_needs as (
    select
        'expenses' as table_name,
        row_id,
        'expense_type' as column_name,
        legal_entity,
        'charge' as role,
        expense_type as key,
        account_employee as employee
    from placed_expenses
    where is_known_entity and not is_cancelled and expense_type is not null

    union all

    select
        'expenses' as table_name,
        row_id,
        'payment_method' as column_name,
        legal_entity,
        'company_paid' as role,
        payment_method as key,
        account_employee as employee
    from placed_expenses
    where is_known_entity and not is_cancelled and not is_personal
),

tax_needs as (
    select
        'expense_taxes' as table_name,
        attached_expense_taxes.row_id,
        'vat_code' as column_name,
        placed_expenses.legal_entity,
        'vat' as role,
        attached_expense_taxes.vat_code as key,
        placed_expenses.account_employee as employee
    from attached_expense_taxes
    inner join placed_expenses
        on attached_expense_taxes.expense_id = placed_expenses.expense_id
    inner join vat_codes on attached_expense_taxes.vat_code = vat_codes.vat_code
    where placed_expenses.is_known_entity and vat_codes.recoverable_percent > 0
),

-- What a report pays for itself goes to its employee, and may be set against an advance.
personal_entities as (
    select distinct
        report,
        version,
        legal_entity,
        account_employee as employee
    from placed_expenses
    where is_known_entity and not is_cancelled and is_personal
),

report_needs as (
    select
        'expense_reports' as table_name,
        judged_expense_reports.row_id,
        'employee' as column_name,
        personal_entities.legal_entity,
        roles.role,
        '*' as key,
        personal_entities.employee
    from personal_entities
    inner join judged_expense_reports
        on personal_entities.report = judged_expense_reports.report
            and personal_entities.version = judged_expense_reports.version
    cross join (values ('employee'), ('advance_one_time')) as roles (role)
),

-- A cancelled advance too may leave more imputed than granted, which goes back to the employee.
advance_needs as (
    select
        'advances' as table_name,
        accountable_advances.row_id,
        needs.column_name,
        accountable_advances.legal_entity,
        needs.role,
        needs.key,
        coalesce(special_employees.employee, '*') as employee
    from accountable_advances
    left join special_employees on accountable_advances.employee = special_employees.employee
    cross join
        lateral (
            select
                unnest(['employee', 'kind', 'compensation']) as column_name,
                unnest(
                    [
                        'employee',
                        if(accountable_advances.kind = 'third_party', null, 'advance_' || accountable_advances.kind),
                        'advance_compensation'
                    ]
                ) as role,
                unnest(['*', '*', accountable_advances.compensation]) as key
        ) as needs
    inner join legal_entities on accountable_advances.legal_entity = legal_entities.legal_entity
    where needs.role is not null and needs.key is not null
),

needs as (
    select * from expense_needs
    union all
    select * from tax_needs
    union all
    select * from report_needs
    union all
    select * from advance_needs
)

select
    needs.table_name,
    needs.row_id,
    needs.column_name,
    if(needs.key = '*', needs.role, needs.key) as value,
    'the chart of ' || needs.legal_entity || ' has no account for role ' || needs.role
    || if(needs.key = '*', '', ' and key ' || needs.key) || ': add a row to chart_of_accounts' as message
from needs
semi join missing_accounts
    on needs.legal_entity = missing_accounts.legal_entity
        and needs.role = missing_accounts.role
        and needs.key = missing_accounts.key
        and needs.employee = missing_accounts.employee
