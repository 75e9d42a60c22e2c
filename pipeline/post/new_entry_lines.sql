-- The run's entry lines as the ledger keeps them, sections still in one column: one row per line.
-- In: numbered_entries, lines, sections_of_combinations. Out: new_entry_lines. Spec: section 7, entry_lines.
select
    numbered_entries.legal_entity,
    numbered_entries.journal,
    numbered_entries.journal_code,
    numbered_entries.fiscal_year,
    numbered_entries.entry_number::bigint as entry_number,
    lines.line_number,
    numbered_entries.entry_date,
    numbered_entries.document_kind,
    numbered_entries.document,
    numbered_entries.version,
    numbered_entries.document_date,
    numbered_entries.reversal,
    numbered_entries.reverses::bigint as reverses,
    numbered_entries.reverses_fiscal_year,
    numbered_entries.employee,
    lines.role,
    lines.account,
    lines.auxiliary,
    lines.nominal_side,
    greatest(lines.amount, 0)::decimal(18, 4) as debit,
    greatest(-lines.amount, 0)::decimal(18, 4) as credit,
    numbered_entries.currency,
    lines.foreign_currency,
    lines.foreign_amount,
    lines.expense,
    lines.expense_type,
    lines.vat_code,
    lines.label,
    numbered_entries.payment_method,
    sections_of_combinations.sections
from lines
inner join numbered_entries on lines.entry_id = numbered_entries.entry_id
left join sections_of_combinations on lines.combination = sections_of_combinations.combination
