-- The lines of the documents' entries, numbered: one row per line.
-- combination: of the sections that it bears.
-- In: document_lines, contra_lines, entries. Out: lines.
-- Spec: section 4, "Numbering" (lines within an entry).
with

-- Lines are sorted by what orders them alone, and meet the rest of what they say by their place in the table.
new_numbers as (
    select
        entries.entry_id,
        document_lines.rowid as line_id,
        row_number() over (
            partition by entries.entry_id
            order by
                document_lines.line_class <> 0,
                document_lines.expense nulls first,
                document_lines.line_class,
                document_lines.split,
                document_lines.vat_code nulls first
        )::integer as line_number
    from document_lines
    inner join entries
        on document_lines.document_id = entries.document_id and document_lines.entry_kind = entries.entry_kind
),

new_lines as (
    select
        new_numbers.entry_id,
        new_numbers.line_number,
        document_lines.role,
        document_lines.account,
        document_lines.auxiliary,
        document_lines.nominal_side,
        document_lines.amount,
        document_lines.foreign_currency,
        document_lines.foreign_amount,
        document_lines.expense,
        document_lines.expense_type,
        document_lines.vat_code,
        document_lines.label,
        document_lines.combination
    from document_lines
    inner join new_numbers on document_lines.rowid = new_numbers.line_id
),

reversed_lines as (
    select
        entries.entry_id,
        row_number() over (partition by entries.entry_id order by contra_lines.line_number)::integer as line_number,
        contra_lines.role,
        contra_lines.account,
        contra_lines.auxiliary,
        contra_lines.nominal_side,
        contra_lines.amount,
        contra_lines.foreign_currency,
        contra_lines.foreign_amount,
        contra_lines.expense,
        contra_lines.expense_type,
        contra_lines.vat_code,
        contra_lines.label,
        contra_lines.combination
    from contra_lines
    inner join entries
        on contra_lines.document_id = entries.document_id
            and entries.reversal
            and contra_lines.legal_entity = entries.legal_entity
            and contra_lines.journal = entries.journal
            and contra_lines.payment_method is not distinct from entries.payment_method
            and contra_lines.reverses = entries.reverses
            and contra_lines.reverses_fiscal_year = entries.reverses_fiscal_year
),

lines as (
    select * from new_lines
    union all
    select * from reversed_lines
)

select * from lines
