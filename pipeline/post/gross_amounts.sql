-- The accepted expenses with their gross in whole minor units: one row per expense.
-- gross_minor: of the legal entity's currency; gross_foreign_minor: of the expense's own.
-- In: placed_expenses, accepted_documents. Out: gross_amounts. Spec: section 4, "Amounts of an expense".
with

accepted_expenses as (
    select
        placed_expenses.row_id as expense_id,
        accepted_documents.document_id,
        placed_expenses.expense,
        placed_expenses.account_employee,
        placed_expenses.legal_entity,
        if(placed_expenses.is_personal, 'expense_report', 'company_paid') as journal,
        if(placed_expenses.is_personal, null, placed_expenses.payment_method) as payment_method,
        placed_expenses.counterpart,
        placed_expenses.expense_type,
        placed_expenses.label,
        placed_expenses.currency,
        placed_expenses.entity_currency,
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
)

select
    *,
    converted(gross_foreign_minor, rate_e8, currency_digits, entity_digits)::bigint as gross_minor
from accepted_expenses
