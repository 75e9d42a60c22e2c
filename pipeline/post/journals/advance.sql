-- The lines of the advance journal: two rows per accepted advance that is not cancelled, debit positive.
-- In: judged_advances, accepted_documents, entry_kinds. Out: advance_lines. Spec: section 4, journal 3.
with

accepted_advances as (
    select
        accepted_documents.document_id,
        entry_kinds.entry_kind,
        judged_advances.legal_entity,
        accepted_documents.account_employee,
        accepted_documents.label,
        judged_advances.kind,
        judged_advances.movement,
        judged_advances.compensation,
        judged_advances.amount
    from judged_advances
    inner join accepted_documents
        on accepted_documents.document_kind = 'advance'
            and judged_advances.row_id = accepted_documents.row_id
    inner join entry_kinds
        on entry_kinds.journal = 'advance' and judged_advances.legal_entity = entry_kinds.legal_entity
    where not accepted_documents.is_cancelled
),

-- An employee whose account is in debit pays money in by kind third_party: their own account is credited.
sides as (
    select
        *,
        if(kind = 'third_party', 'employee', 'advance_' || kind) as own_role,
        if(movement = 'grant', 1, -1) as direction
    from accepted_advances
),

advance_lines as (
    select
        document_id,
        entry_kind,
        legal_entity,
        account_employee,
        label,
        own_role as role,
        '*' as key,
        (direction * amount)::decimal(18, 4) as amount
    from sides

    union all

    select
        document_id,
        entry_kind,
        legal_entity,
        account_employee,
        label,
        'advance_compensation' as role,
        compensation as key,
        (-direction * amount)::decimal(18, 4) as amount
    from sides
)

select
    document_id,
    entry_kind,
    legal_entity,
    account_employee,
    role,
    key,
    if(amount > 0, 'D', 'C') as nominal_side,
    amount,
    null::varchar as foreign_currency,
    null::decimal(18, 4) as foreign_amount,
    null::varchar as expense,
    null::varchar as expense_type,
    null::varchar as vat_code,
    label,
    if(amount > 0, 0, 1) as line_class,
    0 as split,
    null::bigint as combination
from advance_lines
