-- The lines of the expense-report and company-paid journals: one row per line that is not 0, debit positive.
-- In: expense_amounts, recoverable_amounts, charge_shares, accepted_documents. Out: report_lines.
-- Spec: section 4, journals 1 and 2.
with

journal_expenses as (
    select
        *,
        if(is_personal, 'expense_report', 'company_paid') as journal,
        if(is_personal, null, payment_method) as method
    from expense_amounts
),

charge_lines as (
    select
        journal_expenses.report,
        journal_expenses.legal_entity,
        journal_expenses.journal,
        journal_expenses.method,
        journal_expenses.account_employee,
        'charge' as role,
        journal_expenses.expense_type as key,
        'D' as nominal_side,
        charge_shares.minor,
        charge_shares.foreign_minor,
        if(journal_expenses.is_foreign, journal_expenses.currency, null) as foreign_currency,
        journal_expenses.currency_digits,
        journal_expenses.entity_digits,
        journal_expenses.expense,
        journal_expenses.expense_type,
        null::varchar as vat_code,
        coalesce(journal_expenses.label, journal_expenses.expense_type) as label,
        1 as line_class,
        charge_shares.split,
        charge_shares.sections
    from journal_expenses
    inner join charge_shares on journal_expenses.expense_id = charge_shares.expense_id
),

vat_lines as (
    select
        journal_expenses.report,
        journal_expenses.legal_entity,
        journal_expenses.journal,
        journal_expenses.method,
        journal_expenses.account_employee,
        'vat' as role,
        recoverable_amounts.vat_code as key,
        'D' as nominal_side,
        recoverable_amounts.minor,
        recoverable_amounts.foreign_minor,
        if(journal_expenses.is_foreign, journal_expenses.currency, null) as foreign_currency,
        journal_expenses.currency_digits,
        journal_expenses.entity_digits,
        journal_expenses.expense,
        journal_expenses.expense_type,
        recoverable_amounts.vat_code,
        coalesce(journal_expenses.label, journal_expenses.expense_type) as label,
        2 as line_class,
        0 as split,
        null::sections_by_axis as sections
    from journal_expenses
    inner join recoverable_amounts on journal_expenses.expense_id = recoverable_amounts.expense_id
),

-- One line for all expenses of the entry, or one an expense where the payment method says so.
counterparts as (
    select
        report,
        legal_entity,
        journal,
        method,
        if(journal = 'company_paid' and counterpart = 'expense', expense, null) as expense,
        any_value(if(journal = 'company_paid' and counterpart = 'expense', expense_type, null)) as expense_type,
        any_value(account_employee) as account_employee,
        any_value(entity_digits) as entity_digits,
        -sum(gross_minor)::bigint as minor,
        -sum(gross_foreign_minor)::bigint as foreign_minor,
        if(bool_and(is_foreign) and min(currency) = max(currency), min(currency), null) as foreign_currency,
        min(currency_digits) as currency_digits
    from journal_expenses
    group by all
),

counterpart_lines as (
    select
        counterparts.report,
        counterparts.legal_entity,
        counterparts.journal,
        counterparts.method,
        counterparts.account_employee,
        if(counterparts.journal = 'company_paid', 'company_paid', 'employee') as role,
        coalesce(counterparts.method, '*') as key,
        'C' as nominal_side,
        counterparts.minor,
        counterparts.foreign_minor,
        counterparts.foreign_currency,
        counterparts.currency_digits,
        counterparts.entity_digits,
        counterparts.expense,
        counterparts.expense_type,
        null::varchar as vat_code,
        accepted_documents.label,
        0 as line_class,
        0 as split,
        null::sections_by_axis as sections
    from counterparts
    inner join accepted_documents
        on accepted_documents.document_kind = 'expense_report'
            and counterparts.report = accepted_documents.document
),

report_lines as (
    select * from charge_lines
    where minor <> 0
    union all
    select * from vat_lines
    where minor <> 0
    union all
    select * from counterpart_lines
    where minor <> 0
)

select
    'expense_report' as document_kind,
    report as document,
    legal_entity,
    journal,
    method as payment_method,
    account_employee,
    role,
    key,
    nominal_side,
    to_amount(minor, entity_digits) as amount,
    foreign_currency,
    if(foreign_currency is null, null, to_amount(foreign_minor, currency_digits)) as foreign_amount,
    expense,
    expense_type,
    vat_code,
    label,
    line_class,
    split,
    sections
from report_lines
