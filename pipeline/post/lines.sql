-- The lines of the documents' entries, numbered: one row per line.
-- In: entry_drafts, entries. Out: lines. Spec: section 4, "Numbering" (lines within an entry).
with

lines as (
    select
        entries.entry_id,
        row_number() over (
            partition by entries.entry_id
            order by
                entry_drafts.original_number,
                entry_drafts.line_class <> 0,
                entry_drafts.expense nulls first,
                entry_drafts.line_class,
                entry_drafts.split,
                entry_drafts.vat_code nulls first
        )::integer as line_number,
        entry_drafts.role,
        entry_drafts.account,
        entry_drafts.auxiliary,
        entry_drafts.nominal_side,
        entry_drafts.amount,
        entry_drafts.foreign_currency,
        entry_drafts.foreign_amount,
        entry_drafts.expense,
        entry_drafts.expense_type,
        entry_drafts.vat_code,
        entry_drafts.label,
        entry_drafts.sections
    from entry_drafts
    inner join entries
        on entry_drafts.document_kind = entries.document_kind
            and entry_drafts.document = entries.document
            and entry_drafts.legal_entity = entries.legal_entity
            and entry_drafts.journal = entries.journal
            and entry_drafts.reversal = entries.reversal
            and entry_drafts.payment_method is not distinct from entries.payment_method
            and entry_drafts.reverses is not distinct from entries.reverses
            and entry_drafts.reverses_fiscal_year is not distinct from entries.reverses_fiscal_year
)

select * from lines
