-- The lines of the payment entries of this turn, in their entries: one row per line.
-- In: round_drafts, entries, employees. Out: rows of lines. Spec: section 6; labels: section 7.
select
    entries.entry_id,
    round_drafts.line_number,
    round_drafts.role,
    round_drafts.account,
    round_drafts.auxiliary,
    round_drafts.nominal_side,
    round_drafts.amount,
    null::varchar as foreign_currency,
    null::decimal(18, 4) as foreign_amount,
    null::varchar as expense,
    null::varchar as expense_type,
    null::varchar as vat_code,
    round_drafts.payment_order || coalesce(' ' || employees.name, '') as label,
    null::integer as combination
from round_drafts
inner join entries
    on entries.document_kind = 'payment_order'
        and not entries.reversal
        and round_drafts.payment_order = entries.document
        and round_drafts.employee = entries.employee
left join employees on round_drafts.employee = employees.employee
