-- A SEPA order whose own account has no valid IBAN: its bank account's, else the legal entity's.
-- In: active_payment_orders, legal_entities, bank_accounts, valid_ibans. Out: findings. Spec: section 3.
with

own_accounts as (
    select
        active_payment_orders.row_id,
        active_payment_orders.bank_account,
        legal_entities.legal_entity,
        if(active_payment_orders.bank_account is null, legal_entities.iban, bank_accounts.iban) as iban
    from active_payment_orders
    inner join legal_entities on active_payment_orders.legal_entity = legal_entities.legal_entity
    left join bank_accounts
        on active_payment_orders.legal_entity = bank_accounts.legal_entity
            and active_payment_orders.bank_account = bank_accounts.bank_account
    where
        legal_entities.payment_mode = 'sepa'
        and (active_payment_orders.bank_account is null or bank_accounts.bank_account is not null)
)

select
    'payment_orders' as table_name,
    own_accounts.row_id,
    'bank_account' as column_name,
    own_accounts.iban as value,
    'a SEPA transfer needs a valid IBAN of the payer: mend it for '
    || coalesce('bank account ' || own_accounts.bank_account, 'legal entity ' || own_accounts.legal_entity) as message
from own_accounts
anti join valid_ibans on own_accounts.iban = valid_ibans.iban
