-- The orders that this run pays, with their turn in their legal entity: one row per order.
-- In: accepted_documents, judged_payment_orders, legal_entities, journal_codes. Out: active_orders. Spec: section 6.
select
    judged_payment_orders.payment_order,
    judged_payment_orders.version,
    judged_payment_orders.legal_entity,
    judged_payment_orders.created_on,
    judged_payment_orders.cutoff_on,
    accepted_documents.event_date,
    coalesce(judged_payment_orders.bank_account, legal_entities.payment_mode) as compensation_key,
    legal_entities.payment_mode,
    legal_entities.approval,
    legal_entities.currency,
    legal_entities.closed_through,
    legal_entities.fiscal_year_start,
    journal_codes.journal_code,
    row_number() over (
        partition by judged_payment_orders.legal_entity
        order by judged_payment_orders.created_on, judged_payment_orders.payment_order
    ) as turn
from accepted_documents
inner join judged_payment_orders on accepted_documents.row_id = judged_payment_orders.row_id
inner join legal_entities on judged_payment_orders.legal_entity = legal_entities.legal_entity
left join journal_codes
    on judged_payment_orders.legal_entity = journal_codes.legal_entity and journal_codes.journal = 'payment'
where accepted_documents.document_kind = 'payment_order' and not accepted_documents.is_cancelled
