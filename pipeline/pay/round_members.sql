-- The lines that this turn letters together: one row per line, the payments' own among them.
-- In: round_eligible, active_orders, new_letterings, entries, lines. Out: rows of members. Spec: section 5.
with

open_members as (
    select
        new_letterings.legal_entity,
        new_letterings.employee,
        new_letterings.lettering,
        new_letterings.lettered_on,
        round_eligible.entry_id,
        round_eligible.line_number,
        round_eligible.entry_date,
        round_eligible.document_kind,
        round_eligible.document,
        round_eligible.account,
        round_eligible.auxiliary,
        round_eligible.owed,
        round_eligible.reverses_entry_id,
        round_eligible.reverses,
        round_eligible.reverses_fiscal_year,
        true as is_new
    from round_eligible
    inner join new_letterings
        on round_eligible.payment_order = new_letterings.payment_order
            and round_eligible.employee = new_letterings.employee
),

payment_members as (
    select
        new_letterings.legal_entity,
        new_letterings.employee,
        new_letterings.lettering,
        new_letterings.lettered_on,
        entries.entry_id,
        lines.line_number,
        entries.entry_date,
        entries.document_kind,
        entries.document,
        lines.account,
        lines.auxiliary,
        (-lines.amount)::decimal(18, 4) as owed,
        null::bigint as reverses_entry_id,
        null::bigint as reverses,
        null::integer as reverses_fiscal_year,
        true as is_new
    from new_letterings
    inner join active_orders
        on new_letterings.payment_order = active_orders.payment_order and active_orders.turn = $turn
    inner join entries
        on entries.document_kind = 'payment_order'
            and not entries.reversal
            and new_letterings.payment_order = entries.document
            and new_letterings.employee = entries.employee
    inner join lines on entries.entry_id = lines.entry_id
    where lines.role = 'employee'
)

select * from open_members
union all
select * from payment_members
