-- Those whom a document ties to one another, restated for another employee say: one row per employee.
-- They and their documents are all of part 0, so that no document is of two parts.
-- In: document_employees. Out: gathered_employees.
with

ties as (
    select
        document_kind,
        document
    from document_employees
    group by document_kind, document
    having count(*) > 1
)

select distinct document_employees.employee
from document_employees
semi join ties
    on document_employees.document_kind = ties.document_kind and document_employees.document = ties.document
