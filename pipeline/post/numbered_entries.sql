-- The run's entries with their numbers: one row per entry.
-- In: entries, last_numbers. Out: numbered_entries. Spec: section 4, "Numbering".
with

numbered as (
    select
        entries.*,
        coalesce(last_numbers.last_number, 0) + row_number() over (
            partition by entries.legal_entity, entries.journal_code, entries.fiscal_year
            order by
                entries.entry_date,
                entries.document_date,
                entries.document_kind,
                entries.document,
                entries.employee,
                entries.numbering_class,
                entries.journal,
                entries.payment_method nulls first,
                entries.reverses_fiscal_year nulls first,
                entries.reverses nulls first
        ) as entry_number
    from entries
    left join last_numbers
        on entries.legal_entity = last_numbers.legal_entity
            and entries.journal_code = last_numbers.journal_code
            and entries.fiscal_year = last_numbers.fiscal_year
)

select
    numbered.* exclude (reverses, reverses_fiscal_year),
    coalesce(numbered.reverses, reversed.entry_number) as reverses,
    coalesce(numbered.reverses_fiscal_year, reversed.fiscal_year) as reverses_fiscal_year
from numbered
left join numbered as reversed
    on numbered.numbering_class = 2 and numbered.reverses_entry_id = reversed.entry_id
