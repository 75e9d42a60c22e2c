-- The numbers of the run's entries: one row per entry.
-- In: entries_to_number, last_numbers. Out: entry_numbers. Spec: section 4, "Numbering".
select
    entries_to_number.part,
    entries_to_number.entry_id,
    entries_to_number.legal_entity,
    entries_to_number.journal_code,
    entries_to_number.fiscal_year,
    coalesce(last_numbers.last_number, 0) + row_number() over (
        partition by
            entries_to_number.legal_entity, entries_to_number.journal_code, entries_to_number.fiscal_year
        order by
            entries_to_number.entry_date,
            entries_to_number.document_date,
            entries_to_number.document_kind,
            entries_to_number.document,
            entries_to_number.employee,
            entries_to_number.numbering_class,
            entries_to_number.journal,
            entries_to_number.payment_method nulls first,
            entries_to_number.reverses_fiscal_year nulls first,
            entries_to_number.reverses nulls first
    ) as entry_number
from entries_to_number
left join last_numbers
    on entries_to_number.legal_entity = last_numbers.legal_entity
        and entries_to_number.journal_code = last_numbers.journal_code
        and entries_to_number.fiscal_year = last_numbers.fiscal_year
