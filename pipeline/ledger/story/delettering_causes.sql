-- What dissolved each lettering: one row per (lettering, contra-entry of one of its entries posted by the run that
-- dissolved it). A contra-entry that was lettered in it came before and is no cause.
-- In: story_letterings, story_lettering_lines, contra_entries. Out: delettering_causes. Spec: section 5.
with

held_entries as (
    select distinct
        legal_entity,
        employee,
        lettering,
        journal_code,
        fiscal_year,
        entry_number
    from story_lettering_lines
),

caused_deletterings as (
    select
        held_entries.employee as lettered_employee,
        held_entries.lettering,
        contra_entries.*
    from held_entries
    inner join story_letterings
        on held_entries.legal_entity = story_letterings.legal_entity
            and held_entries.employee = story_letterings.employee
            and held_entries.lettering = story_letterings.lettering
    inner join contra_entries
        on story_letterings.delettered_run = contra_entries.run
            and held_entries.legal_entity = contra_entries.legal_entity
            and held_entries.journal_code = contra_entries.journal_code
            and held_entries.fiscal_year = contra_entries.reverses_fiscal_year
            and held_entries.entry_number = contra_entries.reverses
)

select caused_deletterings.*
from caused_deletterings
anti join held_entries
    on caused_deletterings.legal_entity = held_entries.legal_entity
        and caused_deletterings.lettered_employee = held_entries.employee
        and caused_deletterings.lettering = held_entries.lettering
        and caused_deletterings.journal_code = held_entries.journal_code
        and caused_deletterings.fiscal_year = held_entries.fiscal_year
        and caused_deletterings.entry_number = held_entries.entry_number
order by
    caused_deletterings.legal_entity,
    caused_deletterings.lettered_employee,
    caused_deletterings.lettering,
    caused_deletterings.journal_code,
    caused_deletterings.fiscal_year,
    caused_deletterings.entry_number
