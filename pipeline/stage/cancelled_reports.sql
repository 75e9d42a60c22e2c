-- The reports that are judged and cancelled: one row per report.
-- In: document_fates. Out: cancelled_reports. Spec: section 3.
select document as report
from document_fates
where document_kind = 'expense_report' and is_cancelled and fate = 'judge'
