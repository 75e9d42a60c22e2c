-- The entry lines of an export with all that a format may write of them: one row per line.
-- Labels are those of the reference as of the export's run, or the last ones that it had.
-- In: entry_lines, selected_entries, export_request, fiscal_years, legal_entities, employees, journal_labels,
--     account_labels, currencies. Out: export_lines. Spec: section 6, "Exports".
with

selected_lines as (
    select
        entry_lines.*,
        -- With nominal_side an amount below 0 stays on the side that the rule names, in the red.
        if(
            export_request.nominal_side,
            entry_lines.nominal_side,
            if(entry_lines.debit > 0, 'D', 'C')
        ) as side,
        -- The three accounts of an employee may go out as one.
        if(
            entry_lines.role in ('employee', 'advance_one_time', 'advance_regular'),
            coalesce(export_request.employee_account, entry_lines.account),
            entry_lines.account
        ) as exported_account,
        if(
            export_request.due_after = 'document_date', entry_lines.document_date, entry_lines.entry_date
        ) + export_request.due_days as unrounded_due_on
    from entry_lines
    cross join export_request
    semi join selected_entries
        on entry_lines.legal_entity = selected_entries.legal_entity
            and entry_lines.journal_code = selected_entries.journal_code
            and entry_lines.fiscal_year = selected_entries.fiscal_year
            and entry_lines.entry_number = selected_entries.entry_number
),

sided_lines as (
    select
        selected_lines.* exclude (debit, credit, account, exported_account),
        account as ledger_account,
        exported_account as account,
        if(side = 'D', (debit - credit)::decimal(18, 4), 0::decimal(18, 4)) as debit,
        if(side = 'C', (credit - debit)::decimal(18, 4), 0::decimal(18, 4)) as credit,
        (debit - credit)::decimal(18, 4) as amount,
        auxiliary is not null and role not in ('charge', 'vat') as third_party
    from selected_lines
)

select
    sided_lines.*,
    (sided_lines.debit + sided_lines.credit)::decimal(18, 4) as side_amount,
    currencies.digits as currency_digits,
    foreign_currencies.digits as foreign_digits,
    coalesce(journal_labels.label, sided_lines.journal_code) as journal_label,
    coalesce(account_labels.label, sided_lines.account) as account_label,
    case
        when sided_lines.auxiliary is null then null
        when
            sided_lines.role in ('employee', 'advance_one_time', 'advance_regular')
            or sided_lines.auxiliary in (sided_lines.employee, employees.auxiliary)
            then coalesce(nullif(trim(employees.name), ''), sided_lines.employee)
        else coalesce(account_labels.label, sided_lines.auxiliary)
    end as auxiliary_label,
    coalesce(nullif(trim(employees.name), ''), sided_lines.employee) as employee_name,
    legal_entities.name as entity_name,
    legal_entities.siren,
    legal_entities.country,
    case
        when export_request.validated_by = 'entry_date' then sided_lines.entry_date
        when
            export_request.validated_by = 'closed' and sided_lines.entry_date <= legal_entities.closed_through
            then legal_entities.closed_through
        else export_request.exported_on
    end as validated_on,
    if(
        export_request.due_at_month_end,
        last_day(sided_lines.unrounded_due_on),
        sided_lines.unrounded_due_on
    ) as due_on,
    fiscal_years.starts_on as fiscal_year_start,
    fiscal_years.ends_on as fiscal_year_end,
    datediff('month', fiscal_years.starts_on, sided_lines.entry_date) + 1 as fiscal_period,
    export_request.exported_on
from sided_lines
cross join export_request
left join legal_entities on sided_lines.legal_entity = legal_entities.legal_entity
left join fiscal_years on sided_lines.fiscal_year = fiscal_years.fiscal_year
left join employees on sided_lines.employee = employees.employee
left join currencies on sided_lines.currency = currencies.currency
left join currencies as foreign_currencies on sided_lines.foreign_currency = foreign_currencies.currency
left join journal_labels
    on sided_lines.journal = journal_labels.journal and sided_lines.journal_code = journal_labels.journal_code
left join account_labels
    on sided_lines.role = account_labels.role
        and sided_lines.employee = account_labels.employee
        and sided_lines.ledger_account = account_labels.account
        and account_labels.key is not distinct from case sided_lines.role
            when 'charge' then sided_lines.expense_type
            when 'vat' then sided_lines.vat_code
            when 'company_paid' then sided_lines.payment_method
        end
