-- What each accepted expense amounts to, in whole minor units: one row per expense.
-- *_minor: of the legal entity's currency; *_foreign_minor: the same computation in the expense's own, at rate 1.
-- In: gross_amounts, recoverable_amounts, entry_kinds. Out: expense_amounts.
-- Spec: section 4, "Amounts of an expense".
with

recoverable_totals as (
    select
        expense_id,
        sum(minor)::bigint as minor,
        sum(foreign_minor)::bigint as foreign_minor
    from recoverable_amounts
    group by expense_id
)

select
    gross_amounts.expense_id,
    gross_amounts.document_id,
    entry_kinds.entry_kind,
    gross_amounts.expense,
    gross_amounts.account_employee,
    gross_amounts.legal_entity,
    gross_amounts.journal,
    gross_amounts.payment_method,
    gross_amounts.counterpart,
    gross_amounts.expense_type,
    coalesce(gross_amounts.label, gross_amounts.expense_type) as label,
    if(gross_amounts.currency <> gross_amounts.entity_currency, gross_amounts.currency, null) as foreign_currency,
    gross_amounts.currency_digits,
    gross_amounts.entity_digits,
    gross_amounts.gross_minor,
    gross_amounts.gross_foreign_minor,
    gross_amounts.gross_minor - coalesce(recoverable_totals.minor, 0) as charge_minor,
    gross_amounts.gross_foreign_minor - coalesce(recoverable_totals.foreign_minor, 0) as charge_foreign_minor
from gross_amounts
inner join entry_kinds
    on gross_amounts.legal_entity = entry_kinds.legal_entity
        and gross_amounts.journal = entry_kinds.journal
        and gross_amounts.payment_method is not distinct from entry_kinds.payment_method
left join recoverable_totals on gross_amounts.expense_id = recoverable_totals.expense_id
