-- A document as it stands: one row per legal entity.
-- In: documents, stored_order_accounts. Out: document_standing. Spec: section 7.
select
    documents.legal_entity,
    documents.version,
    documents.status,
    documents.state,
    stored_order_accounts.bank_account
from documents
left join stored_order_accounts
    on documents.document_kind = 'payment_order' and documents.document = stored_order_accounts.payment_order
where
    documents.document_kind = $document_kind
    and documents.document = $document
    and ($legal_entity::varchar is null or documents.legal_entity is null or documents.legal_entity = $legal_entity)
order by documents.legal_entity
