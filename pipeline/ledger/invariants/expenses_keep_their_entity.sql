-- Expenses posted in a legal entity that is not kept as theirs: one row per (report, expense, legal entity).
-- In: stored_entry_lines, stored_expense_entities. Out: violations. Spec: section 4, "Legal entity of an expense".
with

posted_expenses as (
    select distinct
        document,
        expense,
        legal_entity
    from stored_entry_lines
    where document_kind = 'expense_report' and expense is not null
)

select posted_expenses.*
from posted_expenses
anti join stored_expense_entities
    on posted_expenses.document = stored_expense_entities.report
        and posted_expenses.expense = stored_expense_entities.expense
        and posted_expenses.legal_entity = stored_expense_entities.legal_entity
