-- The payments of the orders that the batch restates or returns: one row per (order, employee).
-- In: present_documents, stored_payments. Out: known_payments. Spec: section 6.
select stored_payments.*
from stored_payments
semi join present_documents
    on present_documents.document_kind = 'payment_order' and stored_payments.payment_order = present_documents.document
where in_part(stored_payments.employee)
qualify
    row_number() over (
        partition by stored_payments.payment_order, stored_payments.employee
        order by stored_payments.run desc
    ) = 1
