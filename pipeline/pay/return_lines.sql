-- The lines of the contra-entries of returned payments, sides swapped: one row per line.
-- In: round_returns, entries, payment_lines. Out: rows of lines. Spec: section 6.
select
    entries.entry_id,
    payment_lines.line_number,
    payment_lines.role,
    payment_lines.account,
    payment_lines.auxiliary,
    payment_lines.nominal_side,
    (-payment_lines.amount)::decimal(18, 4) as amount,
    null::varchar as foreign_currency,
    null::decimal(18, 4) as foreign_amount,
    null::varchar as expense,
    null::varchar as expense_type,
    null::varchar as vat_code,
    payment_lines.label,
    null::integer as combination
from round_returns
inner join entries on entries.reversal and round_returns.entry_id = entries.reverses_entry_id
inner join payment_lines on round_returns.entry_id = payment_lines.entry_id
