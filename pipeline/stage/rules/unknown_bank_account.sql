-- An order from a bank account that its legal entity does not have.
-- In: active_payment_orders, legal_entities, bank_accounts. Out: findings. Spec: sections 3 and 6.
select
    'payment_orders' as table_name,
    active_payment_orders.row_id,
    'bank_account' as column_name,
    active_payment_orders.bank_account as value,
    'legal entity ' || active_payment_orders.legal_entity || ' has no bank account '
    || active_payment_orders.bank_account || ': add it to bank_accounts, or leave the cell empty' as message
from active_payment_orders
semi join legal_entities on active_payment_orders.legal_entity = legal_entities.legal_entity
anti join bank_accounts
    on active_payment_orders.legal_entity = bank_accounts.legal_entity
        and active_payment_orders.bank_account = bank_accounts.bank_account
where active_payment_orders.bank_account is not null
