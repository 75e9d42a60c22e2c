-- The exports that took entries of the story, as they stand: one row per (export, entry).
-- $run: those that read the ledger as of a run up to it; whether they still stand is that of now.
-- In: stored_exports, stored_export_entries, story_entries. Out: story_exports. Spec: section 6, "Exports".
with

taken_entries as (
    select stored_export_entries.*
    from stored_export_entries
    semi join story_entries
        on stored_export_entries.legal_entity = story_entries.legal_entity
            and stored_export_entries.journal_code = story_entries.journal_code
            and stored_export_entries.fiscal_year = story_entries.fiscal_year
            and stored_export_entries.entry_number = story_entries.entry_number
),

latest_exports as (
    select
        run,
        export_number,
        export_status,
        profile,
        format,
        exported_on
    from stored_exports
    qualify row_number() over (partition by export_number order by sequence desc) = 1
)

select
    latest_exports.run,
    latest_exports.export_number,
    latest_exports.export_status,
    latest_exports.profile,
    latest_exports.format,
    latest_exports.exported_on,
    taken_entries.legal_entity,
    taken_entries.journal_code,
    taken_entries.fiscal_year,
    taken_entries.entry_number
from taken_entries
inner join latest_exports on taken_entries.export_number = latest_exports.export_number
where latest_exports.run <= $run
order by
    latest_exports.export_number,
    taken_entries.journal_code,
    taken_entries.fiscal_year,
    taken_entries.entry_number
