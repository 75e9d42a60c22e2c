-- The legal entities that the expenses of known reports were first posted in: one row per (report, expense).
-- In: posted_reports, stored_expense_entities. Out: known_expense_entities. Spec: section 4.
select
    stored_expense_entities.report,
    stored_expense_entities.expense,
    arg_min(stored_expense_entities.legal_entity, stored_expense_entities.run) as legal_entity
from stored_expense_entities
semi join posted_reports on stored_expense_entities.report = posted_reports.document
group by stored_expense_entities.report, stored_expense_entities.expense
