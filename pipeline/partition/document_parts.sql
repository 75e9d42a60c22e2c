-- The part that each report and advance which names an employee is of: one row per document.
-- In: document_employees. Out: document_parts.
select
    document_kind,
    document,
    any_value(employee_part(employee)) as part
from document_employees
group by document_kind, document
