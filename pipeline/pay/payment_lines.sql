-- The lines of those payment entries: one row per line, debit positive.
-- In: returnable_payments, old_entries, entries, lines. Out: payment_lines.
with

stored_lines_of_payments as (
    select
        old_entries.entry_id,
        returnable_payments.line_number,
        returnable_payments.role,
        returnable_payments.account,
        returnable_payments.auxiliary,
        returnable_payments.nominal_side,
        (returnable_payments.debit - returnable_payments.credit)::decimal(18, 4) as amount,
        returnable_payments.label
    from returnable_payments
    inner join old_entries
        on returnable_payments.legal_entity = old_entries.legal_entity
            and returnable_payments.journal_code = old_entries.journal_code
            and returnable_payments.fiscal_year = old_entries.fiscal_year
            and returnable_payments.entry_number = old_entries.entry_number
),

new_lines as (
    select
        lines.entry_id,
        lines.line_number,
        lines.role,
        lines.account,
        lines.auxiliary,
        lines.nominal_side,
        lines.amount,
        lines.label
    from lines
    inner join entries on lines.entry_id = entries.entry_id
    where entries.document_kind = 'payment_order' and not entries.reversal
)

select * from stored_lines_of_payments
union all
select * from new_lines
