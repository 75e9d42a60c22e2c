-- A posted report or advance restated for another employee.
-- In: judged_expense_reports, judged_advances, known_documents. Out: findings. Spec: section 3.
with

documents as (
    select
        'expense_reports' as table_name,
        'expense_report' as document_kind,
        report as document,
        row_id,
        employee
    from judged_expense_reports

    union all

    select
        'advances' as table_name,
        'advance' as document_kind,
        advance as document,
        row_id,
        employee
    from judged_advances
),

posted_documents as (
    select distinct
        document_kind,
        document,
        employee
    from known_documents
    where posted_run is not null
)

select
    documents.table_name,
    documents.row_id,
    'employee' as column_name,
    documents.employee as value,
    'the document is posted for employee ' || posted_documents.employee
    || ': cancel it and declare a new one for ' || documents.employee as message
from documents
inner join posted_documents
    on documents.document_kind = posted_documents.document_kind and documents.document = posted_documents.document
where documents.employee <> posted_documents.employee
