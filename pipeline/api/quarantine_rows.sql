-- The findings with the legal entities of their documents, as far as they are known: one row per finding.
-- A document is of the legal entities that it is or was posted in and that its waiting rows name. Where a waiting
-- expense names none, has_unknown says that there may be others.
-- In: stored_findings, stored_quarantine, stored_documents, stored_waiting, stored_payments. Out: quarantine_rows.
with

findings as (
    select * from stored_findings
    union all by name
    select * from stored_quarantine
),

findings_of_documents as (
    select
        *,
        case
            when table_name = 'advances' then 'advance'
            when table_name in ('payment_orders', 'payment_exclusions', 'payment_returns') then 'payment_order'
            else 'expense_report'
        end as document_kind
    from findings
),

named_entities as (
    select
        document_kind,
        document,
        legal_entity
    from stored_documents
    where legal_entity is not null

    union all

    select
        'payment_order' as document_kind,
        payment_order as document,
        legal_entity
    from stored_payments

    union all

    select
        document_kind,
        document,
        json_extract_string(row_json, '$.legal_entity') as legal_entity
    from stored_waiting
    where table_name in ('expenses', 'advances', 'payment_orders')
),

entities_of_documents as (
    select
        document_kind,
        document,
        list_sort(list(distinct legal_entity) filter (where legal_entity is not null)) as legal_entities,
        bool_or(legal_entity is null) as has_unknown
    from named_entities
    where document is not null
    group by document_kind, document
)

select
    findings_of_documents.table_name,
    findings_of_documents.document,
    findings_of_documents.version,
    findings_of_documents.row_key,
    findings_of_documents.rule,
    findings_of_documents.column_name,
    findings_of_documents.value,
    findings_of_documents.message,
    findings_of_documents.first_run,
    findings_of_documents.last_run,
    findings_of_documents.resolved_run,
    if(
        findings_of_documents.legal_entity is not null,
        [findings_of_documents.legal_entity],
        coalesce(entities_of_documents.legal_entities, []::varchar[])
    ) as legal_entities,
    findings_of_documents.legal_entity is null
    and coalesce(entities_of_documents.has_unknown, true) as has_unknown
from findings_of_documents
left join entities_of_documents
    on findings_of_documents.document_kind = entities_of_documents.document_kind
        and findings_of_documents.document = entities_of_documents.document
