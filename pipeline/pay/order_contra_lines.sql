-- The lines of the contra-entries of cancelled orders: one row per line.
-- In: cancelled_payments, entries. Out: rows of lines. Spec: section 6.
select
    entries.entry_id,
    cancelled_payments.line_number,
    cancelled_payments.role,
    cancelled_payments.account,
    cancelled_payments.auxiliary,
    cancelled_payments.nominal_side,
    (cancelled_payments.credit - cancelled_payments.debit)::decimal(18, 4) as amount,
    null::varchar as foreign_currency,
    null::decimal(18, 4) as foreign_amount,
    null::varchar as expense,
    null::varchar as expense_type,
    null::varchar as vat_code,
    cancelled_payments.label,
    null::integer as combination
from cancelled_payments
inner join entries
    on entries.reversal
        and entries.document_kind = 'payment_order'
        and cancelled_payments.legal_entity = entries.legal_entity
        and cancelled_payments.journal_code = entries.journal_code
        and cancelled_payments.fiscal_year = entries.reverses_fiscal_year
        and cancelled_payments.entry_number = entries.reverses
