-- The known reports that have entries: one row per report.
-- In: known_documents. Out: posted_reports.
select distinct document
from known_documents
where document_kind = 'expense_report' and posted_run is not null
