-- The legal entities in which the run posts expenses for the first time: one row per (report, expense).
-- In: placed_expenses, posted_documents. Out: rows of the stored kind `expense_entities`. Spec: section 4.
select
    $run::bigint as run,
    placed_expenses.report,
    placed_expenses.expense,
    placed_expenses.legal_entity
from placed_expenses
inner join posted_documents
    on posted_documents.document_kind = 'expense_report'
        and placed_expenses.report = posted_documents.document
        and placed_expenses.version = posted_documents.version
where
    posted_documents.fate = 'posted'
    and not posted_documents.is_cancelled
    and placed_expenses.kept_entity is null
order by placed_expenses.report, placed_expenses.expense
