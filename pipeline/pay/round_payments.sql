-- The payments of this turn: one row per employee paid.
-- In: round_balances, entries. Out: rows of payments_now. Spec: section 6.
select
    round_balances.payment_order,
    round_balances.legal_entity,
    round_balances.employee,
    round_balances.balance as amount,
    round_balances.iban,
    entries.entry_id,
    'paid' as status,
    true as is_changed
from round_balances
inner join entries
    on entries.document_kind = 'payment_order'
        and not entries.reversal
        and round_balances.payment_order = entries.document
        and round_balances.employee = entries.employee
where round_balances.outcome = 'paid'
