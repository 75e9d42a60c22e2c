-- The run's entries with their numbers: one row per entry.
-- In: entries, entry_numbers. Out: numbered_entries. Spec: section 4, "Numbering".
with

numbered as (
    select
        entries.*,
        entry_numbers.entry_number
    from entries
    inner join entry_numbers on entries.entry_id = entry_numbers.entry_id
),

-- A payment that a return of the same run takes back.
reversals as (
    select
        numbered.entry_id,
        reversed.entry_number,
        reversed.fiscal_year
    from numbered
    inner join numbered as reversed on numbered.reverses_entry_id = reversed.entry_id
    where numbered.numbering_class = 2
)

select
    numbered.* exclude (reverses, reverses_fiscal_year),
    coalesce(numbered.reverses, reversals.entry_number) as reverses,
    coalesce(numbered.reverses_fiscal_year, reversals.fiscal_year) as reverses_fiscal_year
from numbered
left join reversals on numbered.entry_id = reversals.entry_id
