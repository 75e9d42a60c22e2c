-- What each accepted expense amounts to, in whole minor units: one row per expense.
-- *_minor: of the legal entity's currency; *_foreign_minor: the same computation in the expense's own, at rate 1.
-- In: placed_expenses, accepted_documents, attached_expense_taxes, vat_codes. Out: expense_amounts.
-- Spec: section 4, "Amounts of an expense".
with

accepted_expenses as (
    select
        placed_expenses.row_id as expense_id,
        placed_expenses.report,
        placed_expenses.version,
        placed_expenses.expense,
        placed_expenses.employee,
        placed_expenses.account_employee,
        placed_expenses.legal_entity,
        placed_expenses.is_personal,
        placed_expenses.payment_method,
        placed_expenses.counterpart,
        placed_expenses.expense_type,
        placed_expenses.label,
        placed_expenses.currency,
        placed_expenses.entity_currency,
        placed_expenses.currency <> placed_expenses.entity_currency as is_foreign,
        placed_expenses.currency_digits,
        placed_expenses.entity_digits,
        if(
            placed_expenses.currency = placed_expenses.entity_currency, 100000000, e8(placed_expenses.exchange_rate)
        ) as rate_e8,
        to_minor(placed_expenses.gross, placed_expenses.currency_digits) as gross_foreign_minor
    from placed_expenses
    inner join accepted_documents
        on accepted_documents.document_kind = 'expense_report'
            and placed_expenses.report = accepted_documents.document
            and placed_expenses.version = accepted_documents.version
    where not accepted_documents.is_cancelled
),

gross_amounts as (
    select
        *,
        converted(gross_foreign_minor, rate_e8, currency_digits, entity_digits)::bigint as gross_minor
    from accepted_expenses
),

taxed_amounts as (
    select
        gross_amounts.expense_id,
        attached_expense_taxes.vat_code,
        e3(vat_codes.rate) as rate_e3,
        e3(vat_codes.recoverable_percent) as recoverable_e3,
        coalesce(
            converted(
                to_minor(attached_expense_taxes.taxed_gross, gross_amounts.currency_digits),
                gross_amounts.rate_e8,
                gross_amounts.currency_digits,
                gross_amounts.entity_digits
            )::bigint,
            gross_amounts.gross_minor
        ) as taxed_minor,
        coalesce(
            to_minor(attached_expense_taxes.taxed_gross, gross_amounts.currency_digits),
            gross_amounts.gross_foreign_minor
        ) as taxed_foreign_minor,
        converted(
            to_minor(attached_expense_taxes.vat_amount, gross_amounts.currency_digits),
            gross_amounts.rate_e8,
            gross_amounts.currency_digits,
            gross_amounts.entity_digits
        )::bigint as given_vat_minor,
        to_minor(attached_expense_taxes.vat_amount, gross_amounts.currency_digits) as given_vat_foreign_minor
    from attached_expense_taxes
    inner join gross_amounts
        on attached_expense_taxes.expense_id = gross_amounts.expense_id
    inner join vat_codes on attached_expense_taxes.vat_code = vat_codes.vat_code
),

vat_amounts as (
    select
        expense_id,
        vat_code,
        recoverable_e3,
        coalesce(given_vat_minor, divide_rounded(taxed_minor::hugeint * rate_e3, 100000 + rate_e3)::bigint)
            as vat_minor,
        coalesce(
            given_vat_foreign_minor,
            divide_rounded(taxed_foreign_minor::hugeint * rate_e3, 100000 + rate_e3)::bigint
        ) as vat_foreign_minor
    from taxed_amounts
),

recoverable_amounts as (
    select
        expense_id,
        {
            'vat_code': vat_code,
            'minor': divide_rounded(vat_minor::hugeint * recoverable_e3, 100000)::bigint,
            'foreign_minor': divide_rounded(vat_foreign_minor::hugeint * recoverable_e3, 100000)::bigint
        } as recoverable
    from vat_amounts
),

recoverable_totals as (
    select
        expense_id,
        sum(recoverable.minor)::bigint as minor,
        sum(recoverable.foreign_minor)::bigint as foreign_minor,
        list(recoverable order by recoverable.vat_code) as recoverables
    from recoverable_amounts
    group by expense_id
),

expense_amounts as (
    select
        gross_amounts.*,
        gross_amounts.gross_minor - coalesce(recoverable_totals.minor, 0) as charge_minor,
        gross_amounts.gross_foreign_minor - coalesce(recoverable_totals.foreign_minor, 0) as charge_foreign_minor,
        recoverable_totals.recoverables
    from gross_amounts
    left join recoverable_totals on gross_amounts.expense_id = recoverable_totals.expense_id
)

select * from expense_amounts
