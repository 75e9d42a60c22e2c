-- The lines that the documents of this run post, not yet grouped in entries: contra-entries, new lines, imputations.
-- In: contra_lines, document_lines, imputation_lines, entity_changes. Out: entry_drafts. Spec: section 4.
with

new_lines as (
    select document_lines.*
    from document_lines
    semi join entity_changes
        on document_lines.document_kind = entity_changes.document_kind
            and document_lines.document = entity_changes.document
            and document_lines.legal_entity = entity_changes.legal_entity
            and entity_changes.is_changed

    union all by name

    select *
    from imputation_lines
),

entry_drafts as (
    select
        document_kind,
        document,
        legal_entity,
        journal,
        payment_method,
        true as reversal,
        reverses,
        reverses_fiscal_year,
        journal_code,
        currency,
        employee,
        line_number as original_number,
        0 as line_class,
        0 as split,
        role,
        account,
        auxiliary,
        nominal_side,
        amount,
        foreign_currency,
        foreign_amount,
        expense,
        expense_type,
        vat_code,
        label,
        sections
    from contra_lines

    union all by name

    select
        document_kind,
        document,
        legal_entity,
        journal,
        payment_method,
        false as reversal,
        null::bigint as reverses,
        null::integer as reverses_fiscal_year,
        null::varchar as journal_code,
        null::varchar as currency,
        null::varchar as employee,
        0 as original_number,
        line_class,
        split,
        role,
        account,
        auxiliary,
        nominal_side,
        amount,
        foreign_currency,
        foreign_amount,
        expense,
        expense_type,
        vat_code,
        label,
        sections
    from new_lines
)

select * from entry_drafts
