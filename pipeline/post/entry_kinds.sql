-- The kinds of entries that the run's documents may post: one row per (legal entity, journal, payment method).
-- So two whole numbers tell an entry from the others: its document's and its kind's.
-- In: gross_amounts, accepted_documents, known_documents. Out: entry_kinds. Spec: section 4.
with

legal_entities_of_documents as (
    select legal_entity from gross_amounts
    union
    select legal_entity from accepted_documents
    union
    select legal_entity from known_documents
),

kinds as (
    select distinct
        legal_entity,
        journal,
        payment_method
    from gross_amounts

    union all

    select
        legal_entities_of_documents.legal_entity,
        journals.journal,
        null::varchar as payment_method
    from legal_entities_of_documents
    cross join (values ('advance'), ('advance_imputation')) as journals (journal)
    where legal_entities_of_documents.legal_entity is not null
)

select
    (row_number() over ())::integer as entry_kind,
    legal_entity,
    journal,
    payment_method
from kinds
