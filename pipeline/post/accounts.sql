-- The chart row that each need resolves to: one row per (legal entity, role, key, employee) that has one.
-- In: account_needs, chart_of_accounts. Out: accounts (templates, not rendered). Spec: section 4, "Accounts".
with

candidates as (
    select
        account_needs.legal_entity,
        account_needs.role,
        account_needs.key,
        account_needs.employee,
        chart_of_accounts.account,
        chart_of_accounts.auxiliary,
        if(chart_of_accounts.employee = '*', 0, 4)
        + if(chart_of_accounts.legal_entity = '*', 0, 2)
        + if(chart_of_accounts.key = '*', 0, 1) as weight
    from account_needs
    inner join chart_of_accounts
        on account_needs.role = chart_of_accounts.role
            and chart_of_accounts.legal_entity in (account_needs.legal_entity, '*')
            and chart_of_accounts.key in (account_needs.key, '*')
            and chart_of_accounts.employee in (account_needs.employee, '*')
),

accounts as (
    select
        legal_entity,
        role,
        key,
        employee,
        arg_max(account, weight) as account,
        arg_max({ 'auxiliary': auxiliary }, weight).auxiliary as auxiliary
    from candidates
    group by legal_entity, role, key, employee
)

select * from accounts
