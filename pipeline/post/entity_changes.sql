-- What changes where: one row per (accepted report or advance, legal entity that it has or had content in).
-- In: accepted_documents, document_lines, entry_kinds, sections_of_combinations, expense_amounts, known_documents.
-- Out: entity_changes.
-- Spec: section 3, "Accounting content"; section 4, "Modification and cancellation".
with

line_contents as (
    select
        document_lines.document_id,
        entry_kinds.legal_entity,
        md5_lower(
            concat_ws(
                chr(31),
                entry_kinds.journal,
                document_lines.role,
                document_lines.account,
                coalesce(document_lines.auxiliary, ''),
                coalesce(document_lines.expense, ''),
                coalesce(document_lines.vat_code, ''),
                coalesce(sections_of_combinations.said, ''),
                coalesce(document_lines.foreign_currency, ''),
                coalesce(document_lines.foreign_amount::varchar, ''),
                document_lines.amount::varchar
            )
        )::hugeint as content
    from document_lines
    inner join entry_kinds on document_lines.entry_kind = entry_kinds.entry_kind
    left join sections_of_combinations
        on document_lines.combination = sections_of_combinations.combination
),

-- A multiset's digest: how many, and the sum of their hashes, in whatever order they come.
contents as (
    select
        document_id,
        legal_entity,
        count(*)::varchar || '-' || sum(content)::varchar as content_digest
    from line_contents
    group by document_id, legal_entity
),

past_entities as (
    select
        accepted_documents.document_id,
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
        document_id,
        legal_entity
    from expense_amounts

    union

    select
        document_id,
        legal_entity
    from accepted_documents
    where document_kind = 'advance'

    union

    select
        document_id,
        legal_entity
    from past_entities
)

select
    entities.document_id,
    accepted_documents.document_kind,
    accepted_documents.document,
    entities.legal_entity,
    coalesce(contents.content_digest, '0') as content_digest,
    past_entities.posted_run,
    coalesce(contents.content_digest, '0') <> coalesce(past_entities.content_digest, '0') as is_changed
from entities
inner join accepted_documents on entities.document_id = accepted_documents.document_id
left join contents
    on entities.document_id = contents.document_id and entities.legal_entity = contents.legal_entity
left join past_entities
    on entities.document_id = past_entities.document_id and entities.legal_entity = past_entities.legal_entity
