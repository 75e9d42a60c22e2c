-- The legal entities that a document is or was posted in, or that its waiting rows name: one row per legal entity.
-- A row without one says that there may be others. In: stored_documents, stored_waiting. Out: document_entities.
select distinct legal_entity
from stored_documents
where document_kind = $kind and document = $document

union

select distinct json_extract_string(row_json, '$.legal_entity') as legal_entity
from stored_waiting
where
    document_kind = $kind
    and document = $document
    and table_name in ('expenses', 'advances', 'payment_orders')
