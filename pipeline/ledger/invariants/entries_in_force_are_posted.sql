-- Documents with an entry in force in a legal entity where they do not stand as posted: one row per (document, entity).
-- A cancelled advance may leave an imputation of its own, which gives the shortfall back to the employee.
-- In: stored_entry_lines, documents. Out: violations. Spec: sections 4 and 7.
with

entries as (
    select distinct
        legal_entity,
        journal_code,
        fiscal_year,
        entry_number,
        document_kind,
        document
    from stored_entry_lines
    where not reversal and journal <> 'advance_imputation'
),

contra_entries as (
    select distinct
        legal_entity,
        journal_code,
        reverses_fiscal_year as fiscal_year,
        reverses as entry_number
    from stored_entry_lines
    where reversal
),

documents_in_force as (
    select distinct
        entries.document_kind,
        entries.document,
        entries.legal_entity
    from entries
    anti join contra_entries
        on entries.legal_entity = contra_entries.legal_entity
            and entries.journal_code = contra_entries.journal_code
            and entries.fiscal_year = contra_entries.fiscal_year
            and entries.entry_number = contra_entries.entry_number
)

select documents_in_force.*
from documents_in_force
anti join documents
    on documents_in_force.document_kind = documents.document_kind
        and documents_in_force.document = documents.document
        and documents_in_force.legal_entity = documents.legal_entity
        and documents.state = 'posted'
