-- The documents of a batch that its sender may not post: one row per document, with the first reason.
-- Allowed are those whose every legal entity, now and before, is in $entities; what waits is of no legal entity.
-- In: document_rows, staged_payment_returns, staged_expenses, staged_advances, staged_payment_orders, placed_expenses,
--     entity_changes, known_documents, known_payments, row_outcomes. Out: refused_documents.
with

batch_documents as (
    select distinct
        document_kind,
        document
    from document_rows
    where origin = 'batch'

    union

    select distinct
        'payment_return' as document_kind,
        payment_order as document
    from staged_payment_returns
    where origin = 'batch'
),

named_entities as (
    select
        'expense_report' as document_kind,
        report as document,
        legal_entity
    from staged_expenses
    where origin = 'batch' and legal_entity is not null

    union

    select
        'expense_report' as document_kind,
        report as document,
        legal_entity
    from placed_expenses
    where legal_entity is not null

    union

    select
        'advance' as document_kind,
        advance as document,
        legal_entity
    from staged_advances
    where legal_entity is not null

    union

    select
        'payment_order' as document_kind,
        payment_order as document,
        legal_entity
    from staged_payment_orders
    where legal_entity is not null

    union

    select
        document_kind,
        document,
        legal_entity
    from entity_changes

    union

    select
        document_kind,
        document,
        legal_entity
    from known_documents
    where legal_entity is not null

    union

    select
        'payment_return' as document_kind,
        payment_order as document,
        legal_entity
    from known_payments
),

waiting_documents as (
    select distinct
        document_rows.document_kind,
        document_rows.document
    from document_rows
    inner join row_outcomes
        on document_rows.table_name = row_outcomes.table_name and document_rows.row_id = row_outcomes.row_id
    where document_rows.origin = 'batch' and row_outcomes.outcome = 'quarantined'

    union

    select distinct
        'payment_return' as document_kind,
        staged_payment_returns.payment_order as document
    from staged_payment_returns
    inner join row_outcomes
        on row_outcomes.table_name = 'payment_returns' and staged_payment_returns.row_id = row_outcomes.row_id
    where staged_payment_returns.origin = 'batch' and row_outcomes.outcome = 'quarantined'
),

-- Whose a document is that waits since an earlier run nobody can say.
unplaced_documents as (
    select distinct
        document_kind,
        document
    from known_documents
    where legal_entity is null and state = 'quarantined'
),

foreign_documents as (
    select distinct
        document_kind,
        document
    from named_entities
    where not list_contains($entities::varchar[], legal_entity)
),

refused_documents as (
    select
        batch_documents.document_kind,
        batch_documents.document,
        foreign_documents.document is not null as is_foreign
    from batch_documents
    left join foreign_documents
        on batch_documents.document_kind = foreign_documents.document_kind
            and batch_documents.document = foreign_documents.document
    where
        foreign_documents.document is not null
        or batch_documents.document is null
        or exists (
            select 1 from waiting_documents
            where batch_documents.document_kind = waiting_documents.document_kind
                and batch_documents.document is not distinct from waiting_documents.document
        )
        or exists (
            select 1 from unplaced_documents
            where batch_documents.document_kind = unplaced_documents.document_kind
                and batch_documents.document = unplaced_documents.document
        )
)

select
    document_kind,
    document,
    is_foreign
from refused_documents
order by document_kind, document
