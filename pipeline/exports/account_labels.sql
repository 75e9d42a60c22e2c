-- What the accounts of an export are called: one row per (role, key, employee, account) in use.
-- The chart row that the line's role resolves to, if it gives this very account; else any row that does; else the
-- account itself.
-- In: selected_entries, stored_entry_lines, chart_of_accounts, employees. Out: account_labels.
-- Spec: section 4, "Accounts".
with

account_uses as (
    select distinct
        stored_entry_lines.legal_entity,
        stored_entry_lines.role,
        case stored_entry_lines.role
            when 'charge' then stored_entry_lines.expense_type
            when 'vat' then stored_entry_lines.vat_code
            when 'company_paid' then stored_entry_lines.payment_method
        end as key,
        stored_entry_lines.employee,
        stored_entry_lines.account
    from stored_entry_lines
    semi join selected_entries
        on stored_entry_lines.legal_entity = selected_entries.legal_entity
            and stored_entry_lines.journal_code = selected_entries.journal_code
            and stored_entry_lines.fiscal_year = selected_entries.fiscal_year
            and stored_entry_lines.entry_number = selected_entries.entry_number
),

labelled_rows as (
    select
        legal_entity,
        role,
        key,
        employee,
        account,
        trim(label) as label,
        known_run,
        if(employee = '*', 0, 4) + if(legal_entity = '*', 0, 2) + if(key = '*', 0, 1) as weight
    from chart_of_accounts
    where trim(label) <> ''
),

-- Rows for everybody that name their account outright: these need not be tried for each employee.
common_rows as (
    select *
    from labelled_rows
    where employee = '*' and not contains(account, '{')
),

own_rows as (
    select *
    from labelled_rows
    where employee <> '*' or contains(account, '{')
),

common_uses as (
    select distinct
        legal_entity,
        role,
        key,
        account
    from account_uses
),

common_labels as (
    select
        common_uses.legal_entity,
        common_uses.role,
        common_uses.key,
        common_uses.account,
        max((common_rows.known_run, common_rows.weight, common_rows.key, common_rows.label)) as best
    from common_uses
    inner join common_rows
        on common_uses.role = common_rows.role
            and common_uses.account = common_rows.account
            and common_rows.legal_entity in (common_uses.legal_entity, '*')
            and (common_uses.key is null or common_rows.key in (common_uses.key, '*'))
    group by common_uses.legal_entity, common_uses.role, common_uses.key, common_uses.account
),

own_labels as (
    select
        account_uses.legal_entity,
        account_uses.role,
        account_uses.key,
        account_uses.employee,
        account_uses.account,
        max((own_rows.known_run, own_rows.weight, own_rows.key, own_rows.label)) as best
    from account_uses
    left join employees on account_uses.employee = employees.employee
    inner join own_rows
        on account_uses.role = own_rows.role
            and own_rows.legal_entity in (account_uses.legal_entity, '*')
            and own_rows.employee in (account_uses.employee, '*')
            and (account_uses.key is null or own_rows.key in (account_uses.key, '*'))
            and account_uses.account = rendered(
                own_rows.account,
                account_uses.employee,
                coalesce(employees.auxiliary, account_uses.employee),
                account_uses.legal_entity,
                coalesce(account_uses.key, own_rows.key)
            )
    group by
        account_uses.legal_entity, account_uses.role, account_uses.key, account_uses.employee, account_uses.account
),

-- Whatever row gives the account, the entity's own first.
any_labels as (
    select
        account,
        max((legal_entity <> '*', known_run, role, key, employee, label)) as best
    from labelled_rows
    where legal_entity in ($entity, '*')
    group by account
)

select
    account_uses.role,
    account_uses.key,
    account_uses.employee,
    account_uses.account,
    coalesce(
        greatest(own_labels.best, common_labels.best)[4], any_labels.best[6], account_uses.account
    ) as label
from account_uses
left join own_labels
    on account_uses.role = own_labels.role
        and account_uses.key is not distinct from own_labels.key
        and account_uses.employee = own_labels.employee
        and account_uses.account = own_labels.account
left join common_labels
    on account_uses.role = common_labels.role
        and account_uses.key is not distinct from common_labels.key
        and account_uses.account = common_labels.account
left join any_labels on account_uses.account = any_labels.account
