-- The lines that the accepted documents would post, imputations left out, with their accounts: one row per line.
-- combination: of the sections that it bears.
-- In: report_lines, advance_lines, accepted_documents, accounts. Out: document_lines. Spec: section 4.
with

lines as (
    select * from report_lines
    union all
    select * from advance_lines
)

select
    lines.document_id,
    lines.entry_kind,
    lines.role,
    rendered(
        accounts.account, accepted_documents.employee, accepted_documents.own_auxiliary, lines.legal_entity, lines.key
    ) as account,
    rendered(
        accounts.auxiliary, accepted_documents.employee, accepted_documents.own_auxiliary, lines.legal_entity, lines.key
    ) as auxiliary,
    lines.nominal_side,
    lines.amount,
    lines.foreign_currency,
    lines.foreign_amount,
    lines.expense,
    lines.expense_type,
    lines.vat_code,
    lines.label,
    lines.line_class,
    lines.split,
    lines.combination
from lines
inner join accepted_documents on lines.document_id = accepted_documents.document_id
inner join accounts
    on lines.legal_entity = accounts.legal_entity
        and lines.role = accounts.role
        and lines.key = accounts.key
        and lines.account_employee = accounts.employee
