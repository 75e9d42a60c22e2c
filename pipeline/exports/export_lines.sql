-- The entry lines of one legal entity with all that a format may write of them: one row per line.
-- In: entry_lines, selected_entries, legal_entities, journals, employees, chart_of_accounts, currencies. Out: export_lines.
-- Spec: section 6, "Exports". Labels are those of the reference as of the export's run.
with

selected_lines as (
    select entry_lines.*
    from entry_lines
    semi join selected_entries
        on entry_lines.legal_entity = selected_entries.legal_entity
            and entry_lines.journal_code = selected_entries.journal_code
            and entry_lines.fiscal_year = selected_entries.fiscal_year
            and entry_lines.entry_number = selected_entries.entry_number
),

account_uses as (
    select distinct
        legal_entity,
        role,
        case role
            when 'charge' then expense_type
            when 'vat' then vat_code
        end as key,
        employee,
        account
    from selected_lines
),

-- The chart row that the line's role resolves to; among rows that match, first those that give this very account.
account_labels as (
    select
        account_uses.legal_entity,
        account_uses.role,
        account_uses.key,
        account_uses.employee,
        account_uses.account,
        arg_max(
            chart_of_accounts.label,
            (
                chart_of_accounts.account = account_uses.account,
                if(chart_of_accounts.employee = '*', 0, 4)
                + if(chart_of_accounts.legal_entity = '*', 0, 2)
                + if(chart_of_accounts.key = '*', 0, 1),
                chart_of_accounts.key
            )
        ) as label
    from account_uses
    inner join chart_of_accounts
        on account_uses.role = chart_of_accounts.role
            and chart_of_accounts.legal_entity in (account_uses.legal_entity, '*')
            and chart_of_accounts.employee in (account_uses.employee, '*')
            and (account_uses.key is null or chart_of_accounts.key in (account_uses.key, '*'))
    where chart_of_accounts.label is not null
    group by
        account_uses.legal_entity, account_uses.role, account_uses.key, account_uses.employee, account_uses.account
),

journal_labels as (
    select
        journal,
        arg_min(label, legal_entity = '*') as label
    from journals
    where legal_entity in ($entity, '*')
    group by journal
)

select
    selected_lines.*,
    (selected_lines.debit - selected_lines.credit)::decimal(18, 4) as amount,
    currencies.digits as currency_digits,
    coalesce(journal_labels.label, selected_lines.journal_code) as journal_label,
    coalesce(account_labels.label, selected_lines.account) as account_label,
    if(selected_lines.auxiliary is null, null, coalesce(employees.name, selected_lines.employee)) as auxiliary_label,
    coalesce(employees.name, selected_lines.employee) as employee_name,
    legal_entities.name as entity_name,
    legal_entities.siren,
    legal_entities.country,
    if(
        selected_lines.entry_date <= legal_entities.closed_through, legal_entities.closed_through, $on::date
    ) as validated_on,
    $on::date as exported_on
from selected_lines
left join legal_entities on selected_lines.legal_entity = legal_entities.legal_entity
left join journal_labels on selected_lines.journal = journal_labels.journal
left join employees on selected_lines.employee = employees.employee
left join currencies on selected_lines.currency = currencies.currency
left join account_labels
    on selected_lines.legal_entity = account_labels.legal_entity
        and selected_lines.role = account_labels.role
        and selected_lines.employee = account_labels.employee
        and selected_lines.account = account_labels.account
        and account_labels.key is not distinct from case selected_lines.role
            when 'charge' then selected_lines.expense_type
            when 'vat' then selected_lines.vat_code
        end
order by
    selected_lines.entry_date,
    selected_lines.journal_code,
    selected_lines.fiscal_year,
    selected_lines.entry_number,
    selected_lines.line_number
