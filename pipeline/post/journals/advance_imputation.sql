-- What each document imputes: one row per imputation above 0.
-- amount: above 0; direction 1 takes from the advance for the employee's report, -1 gives back to the employee.
-- In: entity_changes, posted_documents, document_lines, entry_kinds, contra_lines, advance_balances.
-- Out: imputations.
-- Spec: section 4, journal 4. The account ends at max(0, b + r + n): a balance held at zero from below, which is the
-- prefix sum less its own running minimum where that is negative.
with

own_movements as (
    select
        document_lines.document_id,
        entry_kinds.legal_entity,
        sum(document_lines.amount) filter (where document_lines.role = 'advance_one_time') as advance_one_time,
        sum(document_lines.amount) filter (where document_lines.role = 'employee') as third_party
    from document_lines
    inner join entry_kinds on document_lines.entry_kind = entry_kinds.entry_kind
    where document_lines.role in ('employee', 'advance_one_time')
    group by document_lines.document_id, entry_kinds.legal_entity
),

contra_movements as (
    select
        document_id,
        legal_entity,
        sum(amount) as r,
        any_value(account) as account,
        any_value(auxiliary) as auxiliary
    from contra_lines
    where role = 'advance_one_time'
    group by document_id, legal_entity
),

movements as (
    select
        entity_changes.document_id,
        entity_changes.document_kind,
        entity_changes.document,
        entity_changes.legal_entity,
        posted_documents.employee,
        posted_documents.event_date,
        case posted_documents.movement when 'grant' then 0 when 'reimbursement' then 1 else 2 end as turn,
        coalesce(advance_balances.balance, 0) as opening_balance,
        coalesce(contra_movements.r, 0) as r,
        -- n: a one-time grant or reimbursement as it moves the account; of a report what it credits to the employee.
        coalesce(
            if(
                entity_changes.document_kind = 'advance',
                own_movements.advance_one_time,
                least(0, own_movements.third_party)
            ),
            0
        ) as n,
        contra_movements.account as contra_account,
        contra_movements.auxiliary as contra_auxiliary
    from entity_changes
    inner join posted_documents on entity_changes.document_id = posted_documents.document_id
    left join own_movements
        on entity_changes.document_id = own_movements.document_id
            and entity_changes.legal_entity = own_movements.legal_entity
    left join contra_movements
        on entity_changes.document_id = contra_movements.document_id
            and entity_changes.legal_entity = contra_movements.legal_entity
    left join advance_balances
        on entity_changes.legal_entity = advance_balances.legal_entity
            and posted_documents.employee = advance_balances.employee
    where entity_changes.is_changed
),

-- Only where the account holds or has held something can anything be imputed.
moved_accounts as (
    select distinct
        legal_entity,
        employee
    from movements
    where opening_balance <> 0 or r <> 0 or n > 0 or (turn < 2 and n <> 0)
),

prefix_sums as (
    select
        movements.*,
        movements.opening_balance + sum(movements.r + movements.n) over in_order as reached
    from movements
    inner join moved_accounts
        on movements.legal_entity = moved_accounts.legal_entity and movements.employee = moved_accounts.employee
    window in_order as (
        partition by movements.legal_entity, movements.employee
        order by movements.event_date, movements.turn, movements.document
        rows unbounded preceding
    )
),

held_balances as (
    select
        *,
        reached - least(0, min(reached) over in_order) as balance
    from prefix_sums
    window in_order as (
        partition by legal_entity, employee
        order by event_date, turn, document
        rows unbounded preceding
    )
),

balances_before as (
    select
        *,
        lag(balance, 1, opening_balance) over (
            partition by legal_entity, employee
            order by event_date, turn, document
        ) as b
    from held_balances
),

imputations as (
    select
        document_id,
        legal_entity,
        contra_account,
        contra_auxiliary,
        if(document_kind = 'expense_report', 1, -1) as direction,
        if(document_kind = 'expense_report', least(b + r, -n), -(b + r + n))::decimal(18, 4) as amount
    from balances_before
)

select * from imputations
where amount > 0
