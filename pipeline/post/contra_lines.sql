-- The lines that are taken back: one row per line of an entry still in force of a changed document, sides swapped.
-- In: entity_changes, posted_documents, stored_lines. Out: contra_lines.
-- Spec: section 4, "Modification and cancellation".
with

changed_documents as (
    select
        entity_changes.document_id,
        entity_changes.document_kind,
        entity_changes.document,
        entity_changes.legal_entity,
        entity_changes.posted_run,
        posted_documents.event_date
    from entity_changes
    inner join posted_documents on entity_changes.document_id = posted_documents.document_id
    where entity_changes.is_changed and entity_changes.posted_run is not null
)

select
    changed_documents.document_id,
    changed_documents.legal_entity,
    changed_documents.event_date,
    stored_lines.employee,
    stored_lines.journal,
    stored_lines.journal_code,
    stored_lines.payment_method,
    stored_lines.fiscal_year as reverses_fiscal_year,
    stored_lines.entry_number as reverses,
    stored_lines.line_number,
    stored_lines.currency,
    stored_lines.role,
    stored_lines.account,
    stored_lines.auxiliary,
    stored_lines.nominal_side,
    (stored_lines.credit - stored_lines.debit)::decimal(18, 4) as amount,
    stored_lines.foreign_currency,
    (-stored_lines.foreign_amount)::decimal(18, 4) as foreign_amount,
    stored_lines.expense,
    stored_lines.expense_type,
    stored_lines.vat_code,
    stored_lines.label,
    stored_lines.combination
from changed_documents
inner join stored_lines
    on changed_documents.document_kind = stored_lines.document_kind
        and changed_documents.document = stored_lines.document
        and changed_documents.legal_entity = stored_lines.legal_entity
        and changed_documents.posted_run = stored_lines.run
where not stored_lines.reversal
