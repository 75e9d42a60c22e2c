-- The bank accounts that the run's orders name: one row per order that names one.
-- In: accepted_documents, judged_payment_orders. Out: rows of the stored kind `order_accounts`. Spec: section 6.
select
    $run::bigint as run,
    judged_payment_orders.payment_order,
    judged_payment_orders.bank_account
from accepted_documents
inner join judged_payment_orders on accepted_documents.row_id = judged_payment_orders.row_id
where
    accepted_documents.document_kind = 'payment_order'
    and not accepted_documents.is_cancelled
    and judged_payment_orders.bank_account is not null
order by judged_payment_orders.payment_order
