-- The lines of the expense-report and company-paid journals: one row per line that is not 0, debit positive.
-- In: expense_amounts, recoverable_amounts, charge_shares, accepted_documents. Out: report_lines.
-- Spec: section 4, journals 1 and 2.
with

charge_lines as (
    select
        expense_amounts.document_id,
        expense_amounts.entry_kind,
        expense_amounts.legal_entity,
        expense_amounts.account_employee,
        'charge' as role,
        expense_amounts.expense_type as key,
        'D' as nominal_side,
        charge_shares.minor,
        charge_shares.foreign_minor,
        expense_amounts.foreign_currency,
        expense_amounts.currency_digits,
        expense_amounts.entity_digits,
        expense_amounts.expense,
        expense_amounts.expense_type,
        null::varchar as vat_code,
        expense_amounts.label,
        1 as line_class,
        charge_shares.split,
        charge_shares.combination
    from charge_shares
    inner join expense_amounts on charge_shares.expense_id = expense_amounts.expense_id
),

vat_lines as (
    select
        expense_amounts.document_id,
        expense_amounts.entry_kind,
        expense_amounts.legal_entity,
        expense_amounts.account_employee,
        'vat' as role,
        recoverable_amounts.vat_code as key,
        'D' as nominal_side,
        recoverable_amounts.minor,
        recoverable_amounts.foreign_minor,
        expense_amounts.foreign_currency,
        expense_amounts.currency_digits,
        expense_amounts.entity_digits,
        expense_amounts.expense,
        expense_amounts.expense_type,
        recoverable_amounts.vat_code,
        expense_amounts.label,
        2 as line_class,
        0 as split,
        null::bigint as combination
    from recoverable_amounts
    inner join expense_amounts on recoverable_amounts.expense_id = expense_amounts.expense_id
),

-- One line for all expenses of the entry, or one an expense where the payment method says so.
counterparts as (
    select
        document_id,
        entry_kind,
        if(journal = 'company_paid' and counterpart = 'expense', expense, null) as expense,
        any_value(if(journal = 'company_paid' and counterpart = 'expense', expense_type, null)) as expense_type,
        any_value(legal_entity) as legal_entity,
        any_value(journal) as journal,
        any_value(payment_method) as payment_method,
        any_value(account_employee) as account_employee,
        any_value(entity_digits) as entity_digits,
        -sum(gross_minor)::bigint as minor,
        -sum(gross_foreign_minor)::bigint as foreign_minor,
        if(
            bool_and(foreign_currency is not null) and min(foreign_currency) = max(foreign_currency),
            min(foreign_currency),
            null
        ) as foreign_currency,
        min(currency_digits) as currency_digits
    from expense_amounts
    group by all
),

counterpart_lines as (
    select
        counterparts.document_id,
        counterparts.entry_kind,
        counterparts.legal_entity,
        counterparts.account_employee,
        if(counterparts.journal = 'company_paid', 'company_paid', 'employee') as role,
        coalesce(counterparts.payment_method, '*') as key,
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
        null::bigint as combination
    from counterparts
    inner join accepted_documents on counterparts.document_id = accepted_documents.document_id
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
    document_id,
    entry_kind,
    legal_entity,
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
    combination
from report_lines
