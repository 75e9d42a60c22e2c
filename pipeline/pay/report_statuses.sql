-- The status of each report with lines that this run may pay in a legal entity that pays approved reports only: one
-- row per report.
-- Of the version last posted or taken over, this run's included.
-- In: lines_in_reach, active_orders, stored_documents, posted_documents, document_fates. Out: report_statuses.
-- Spec: section 6.
with

waiting_reports as (
    select distinct lines_in_reach.document as report
    from lines_in_reach
    semi join active_orders
        on lines_in_reach.legal_entity = active_orders.legal_entity and active_orders.approval = 'required'
    where lines_in_reach.document_kind = 'expense_report'
),

statuses as (
    select
        stored_documents.document as report,
        stored_documents.status,
        stored_documents.run,
        0 as rank
    from stored_documents
    semi join waiting_reports on stored_documents.document = waiting_reports.report
    where stored_documents.document_kind = 'expense_report' and stored_documents.posted_run is not null

    union all

    select
        document as report,
        status,
        null::bigint as run,
        1 as rank
    from posted_documents
    where document_kind = 'expense_report'

    union all

    select
        document as report,
        status,
        null::bigint as run,
        1 as rank
    from document_fates
    where document_kind = 'expense_report' and fate = 'unchanged'
)

select
    report,
    status
from statuses
qualify row_number() over (partition by report order by rank desc, run desc) = 1
