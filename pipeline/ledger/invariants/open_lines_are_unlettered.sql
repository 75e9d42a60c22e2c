-- Employee lines that are kept as open and are lettered, or are unlettered and not kept as open: one row per line.
-- In: entry_lines, stored_open_lines. Out: violations. Spec: sections 5 and 6.
with

kept_lines as (
    select
        legal_entity,
        journal_code,
        fiscal_year,
        entry_number,
        line_number,
        owed
    from stored_open_lines
    qualify
        is_open
        and row_number() over (
            partition by legal_entity, journal_code, fiscal_year, entry_number, line_number
            order by run desc
        ) = 1
),

unlettered_lines as (
    select
        legal_entity,
        journal_code,
        fiscal_year,
        entry_number,
        line_number,
        credit - debit as owed
    from entry_lines
    where role = 'employee' and lettering is null
)

select
    coalesce(kept_lines.legal_entity, unlettered_lines.legal_entity) as legal_entity,
    coalesce(kept_lines.journal_code, unlettered_lines.journal_code) as journal_code,
    coalesce(kept_lines.fiscal_year, unlettered_lines.fiscal_year) as fiscal_year,
    coalesce(kept_lines.entry_number, unlettered_lines.entry_number) as entry_number,
    coalesce(kept_lines.line_number, unlettered_lines.line_number) as line_number,
    kept_lines.owed as kept,
    unlettered_lines.owed
from kept_lines
full join unlettered_lines
    on kept_lines.legal_entity = unlettered_lines.legal_entity
        and kept_lines.journal_code = unlettered_lines.journal_code
        and kept_lines.fiscal_year = unlettered_lines.fiscal_year
        and kept_lines.entry_number = unlettered_lines.entry_number
        and kept_lines.line_number = unlettered_lines.line_number
where kept_lines.owed is distinct from unlettered_lines.owed
