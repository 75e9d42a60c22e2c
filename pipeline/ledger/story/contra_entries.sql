-- The contra-entries of the story's entries and of what was lettered with them, and what each was for: one row per
-- contra-entry.
-- In: stored_entry_lines, story_lines, story_entries, story_lettering_lines, stored_documents, stored_payment_returns.
-- Out: contra_entries. Spec: section 4, "Modification and cancellation"; section 6.
with

watched_entries as (
    select
        legal_entity,
        journal_code,
        fiscal_year,
        entry_number
    from story_entries

    union

    select
        legal_entity,
        journal_code,
        fiscal_year,
        entry_number
    from story_lettering_lines
),

contra_lines as (
    select
        stored_entry_lines.run,
        stored_entry_lines.legal_entity,
        stored_entry_lines.journal_code,
        stored_entry_lines.fiscal_year,
        stored_entry_lines.entry_number,
        stored_entry_lines.document_kind,
        stored_entry_lines.document,
        stored_entry_lines.version,
        stored_entry_lines.document_date,
        stored_entry_lines.employee,
        stored_entry_lines.reverses,
        stored_entry_lines.reverses_fiscal_year
    from stored_entry_lines
    semi join watched_entries
        on stored_entry_lines.legal_entity = watched_entries.legal_entity
            and stored_entry_lines.journal_code = watched_entries.journal_code
            and stored_entry_lines.reverses_fiscal_year = watched_entries.fiscal_year
            and stored_entry_lines.reverses = watched_entries.entry_number
    where stored_entry_lines.reversal

    union

    select
        run,
        legal_entity,
        journal_code,
        fiscal_year,
        entry_number,
        document_kind,
        document,
        version,
        document_date,
        employee,
        reverses,
        reverses_fiscal_year
    from story_lines
    where reversal
)

select
    contra_lines.*,
    stored_documents.status,
    stored_payment_returns.returned_on,
    stored_payment_returns.reason,
    case
        when stored_payment_returns.payment_order is not null then 'payment_returned'
        when contra_lines.document_kind = 'payment_order' then 'order_cancelled'
        when stored_documents.status = 'cancelled' then 'document_cancelled'
        else 'document_changed'
    end as cause
from contra_lines
left join stored_documents
    on contra_lines.document_kind = stored_documents.document_kind
        and contra_lines.document = stored_documents.document
        and contra_lines.legal_entity = stored_documents.legal_entity
        and contra_lines.run = stored_documents.run
left join stored_payment_returns
    on contra_lines.document_kind = 'payment_order'
        and contra_lines.document = stored_payment_returns.payment_order
        and contra_lines.employee = stored_payment_returns.employee
        and contra_lines.run = stored_payment_returns.run
