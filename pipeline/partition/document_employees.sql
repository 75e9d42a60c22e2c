-- The employees whom a run's reports and advances name, now and where they are posted: one row per (document,
-- employee).
-- In: rows_of_expense_reports, rows_of_advances, stored_documents. Out: document_employees.
with

headers as (
    select
        'expense_report' as document_kind,
        report as document,
        employee
    from rows_of_expense_reports
    where report is not null

    union

    select
        'advance' as document_kind,
        advance as document,
        employee
    from rows_of_advances
    where advance is not null
),

posted_documents as (
    select distinct
        stored_documents.document_kind,
        stored_documents.document,
        stored_documents.employee
    from stored_documents
    semi join headers
        on stored_documents.document_kind = headers.document_kind and stored_documents.document = headers.document
),

document_employees as (
    select * from headers
    union
    select * from posted_documents
)

select * from document_employees
where employee is not null
