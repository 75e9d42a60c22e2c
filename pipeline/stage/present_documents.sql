-- The documents that the batch brings, returns payments of, or that wait: one row per document.
-- In: document_versions, staged_payment_returns. Out: present_documents. Spec: section 3.
select distinct
    document_kind,
    document
from document_versions

union

select
    'payment_order' as document_kind,
    payment_order as document
from staged_payment_returns
where payment_order is not null
