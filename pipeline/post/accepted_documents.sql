-- The documents that pass: one row per document that is judged and has no finding; document_id is this run's own.
-- own_auxiliary: what an account's {auxiliary} stands for.
-- In: judged_expense_reports, judged_advances, judged_payment_orders, quarantined_documents, known_documents,
--     special_employees, employees. Out: accepted_documents. Spec: section 4, "Event date".
with

documents as (
    select
        'expense_report' as document_kind,
        report as document,
        version,
        row_id,
        employee,
        null::varchar as legal_entity,
        status,
        label,
        null::varchar as movement,
        coalesce(modified_on, declared_on) as event_date
    from judged_expense_reports

    union all

    select
        'advance' as document_kind,
        advance as document,
        version,
        row_id,
        employee,
        legal_entity,
        status,
        label,
        movement,
        coalesce(modified_on, occurred_on) as event_date
    from judged_advances

    union all

    select
        'payment_order' as document_kind,
        payment_order as document,
        version,
        row_id,
        null::varchar as employee,
        legal_entity,
        status,
        null::varchar as label,
        null::varchar as movement,
        coalesce(modified_on, created_on) as event_date
    from judged_payment_orders
),

last_postings as (
    select
        document_kind,
        document,
        max(event_date) as event_date
    from known_documents
    where posted_run is not null
    group by document_kind, document
),

accepted_documents as (
    select
        row_number() over () as document_id,
        documents.document_kind,
        documents.document,
        documents.version,
        documents.row_id,
        documents.employee,
        coalesce(special_employees.employee, '*') as account_employee,
        coalesce(employees.auxiliary, documents.employee) as own_auxiliary,
        documents.legal_entity,
        documents.status,
        documents.status = 'cancelled' as is_cancelled,
        last_postings.document is not null as was_posted,
        documents.movement,
        greatest(documents.event_date, last_postings.event_date) as event_date,
        coalesce(
            documents.label, documents.document || coalesce(' ' || employees.name, '')
        ) as label
    from documents
    anti join quarantined_documents
        on documents.document_kind = quarantined_documents.document_kind
            and documents.document = quarantined_documents.document
    left join last_postings
        on documents.document_kind = last_postings.document_kind and documents.document = last_postings.document
    left join employees on documents.employee = employees.employee
    left join special_employees on documents.employee = special_employees.employee
)

-- A cancellation of what was never posted, its form being right, is ignored.
select * from accepted_documents
where was_posted or not is_cancelled
