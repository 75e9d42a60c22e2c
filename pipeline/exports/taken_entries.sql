-- The entries that a recorded export of a profile has taken from a legal entity: one row per entry.
-- In: stored_exports, stored_export_entries. Out: taken_entries. Spec: section 6, "Exports".
with

latest_exports as (
    select
        export_number,
        export_status,
        profile,
        legal_entity
    from stored_exports
    qualify row_number() over (partition by export_number order by sequence desc) = 1
)

select distinct
    stored_export_entries.legal_entity,
    stored_export_entries.journal_code,
    stored_export_entries.fiscal_year,
    stored_export_entries.entry_number
from stored_export_entries
semi join latest_exports
    on stored_export_entries.export_number = latest_exports.export_number
        and latest_exports.export_status = 'recorded'
        and latest_exports.profile = $profile
        and latest_exports.legal_entity = $entity
