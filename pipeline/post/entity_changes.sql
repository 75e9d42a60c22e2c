-- What changes where: one row per (accepted report or advance, legal entity that it has or had content in).
-- In: accepted_documents, document_lines, placed_expenses, known_documents. Out: entity_changes.
-- Spec: section 3, "Accounting content"; section 4, "Modification and cancellation".
with

line_contents as (
    select
        document_kind,
        document,
        legal_entity,
        md5_number_lower(
            concat_ws(
                chr(31),
                journal,
                role,
                account,
                coalesce(auxiliary, ''),
                coalesce(expense, ''),
                coalesce(vat_code, ''),
                sections_text(sections),
                coalesce(foreign_currency, ''),
                coalesce(foreign_amount::varchar, ''),
                amount::varchar
            )
        )::hugeint as content
    from document_lines
),

-- A multiset's digest: how many, and the sum of their hashes, in whatever order they come.
contents as (
    select
        document_kind,
        document,
        legal_entity,
        count(*)::varchar || '-' || sum(content)::varchar as content_digest
    from line_contents
    group by document_kind, document, legal_entity
),

present_entities as (
    select distinct
        'expense_report' as document_kind,
        accepted_documents.document,
        placed_expenses.legal_entity
    from placed_expenses
    inner join accepted_documents
        on accepted_documents.document_kind = 'expense_report'
            and placed_expenses.report = accepted_documents.document
            and placed_expenses.version = accepted_documents.version
    where not accepted_documents.is_cancelled

    union all

    select
        document_kind,
        document,
        legal_entity
    from accepted_documents
    where document_kind = 'advance'
),

past_entities as (
    select
        known_documents.document_kind,
        known_documents.document,
        known_documents.legal_entity,
        known_documents.content_digest,
        known_documents.posted_run
    from known_documents
    inner join accepted_documents
        on known_documents.document_kind = accepted_documents.document_kind
            and known_documents.document = accepted_documents.document
    where known_documents.posted_run is not null and known_documents.document_kind <> 'payment_order'
),

entities as (
    select
        document_kind,
        document,
        legal_entity
    from present_entities

    union

    select
        document_kind,
        document,
        legal_entity
    from past_entities
)

select
    entities.document_kind,
    entities.document,
    entities.legal_entity,
    coalesce(contents.content_digest, '0') as content_digest,
    past_entities.posted_run,
    coalesce(contents.content_digest, '0') <> coalesce(past_entities.content_digest, '0') as is_changed
from entities
left join contents
    on entities.document_kind = contents.document_kind
        and entities.document = contents.document
        and entities.legal_entity = contents.legal_entity
left join past_entities
    on entities.document_kind = past_entities.document_kind
        and entities.document = past_entities.document
        and entities.legal_entity = past_entities.legal_entity
