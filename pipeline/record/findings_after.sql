-- Every finding that was open before the run or that it made, as it stands after it: one row per finding.
-- In: findings_made, stored_findings, waiting_keys, active_orders, left_out.
-- Out: findings_after; resolved_run is null where the finding stays open. Spec: section 3.
with

-- Copies of a row have the same finding each: they are told apart by their count alone.
made as (
    select
        *,
        row_number() over (
            partition by table_name, document, version, row_key, rule, column_name, value, message, fate
        ) as copy
    from findings_made
),

open_before as (
    select
        *,
        row_number() over (
            partition by table_name, document, version, row_key, rule, column_name, value, message, fate
            order by first_run
        ) as copy
    from stored_findings
),

made_again as (
    select
        made.*,
        coalesce(open_before.first_run, $run::bigint) as first_run,
        $run::bigint as last_run
    from made
    left join open_before
        on made.table_name = open_before.table_name
            and made.document is not distinct from open_before.document
            and made.version is not distinct from open_before.version
            and made.row_key = open_before.row_key
            and made.rule = open_before.rule
            and made.column_name is not distinct from open_before.column_name
            and made.value is not distinct from open_before.value
            and made.message = open_before.message
            and made.copy = open_before.copy
),

not_made_again as (
    select open_before.*
    from open_before
    anti join made
        on open_before.table_name = made.table_name
            and open_before.document is not distinct from made.document
            and open_before.version is not distinct from made.version
            and open_before.row_key = made.row_key
            and open_before.rule = made.rule
            and open_before.column_name is not distinct from made.column_name
            and open_before.value is not distinct from made.value
            and open_before.message = made.message
            and open_before.copy = made.copy
),

open_findings as (
    select
        table_name,
        document,
        version,
        row_key,
        rule,
        column_name,
        value,
        message,
        fate,
        legal_entity,
        employee,
        first_run,
        last_run
    from made_again

    union all

    select
        table_name,
        document,
        version,
        row_key,
        rule,
        column_name,
        value,
        message,
        fate,
        legal_entity,
        employee,
        first_run,
        last_run
    from not_made_again
),

-- The orders of this run by legal entity; a finding of an earlier run stands before the first of them.
orders_in_turn as (
    select
        payment_order,
        legal_entity,
        turn
    from active_orders
),

left_out_findings as (
    select
        open_findings.*,
        coalesce(orders_in_turn.turn, 0) as turn
    from open_findings
    left join orders_in_turn
        on open_findings.document = orders_in_turn.payment_order
            and open_findings.legal_entity = orders_in_turn.legal_entity
            and open_findings.last_run = $run::bigint
    where open_findings.fate = 'left_out'
),

-- The next order that does not leave the employee out for the same reason settles what is open.
settled_left_outs as (
    select distinct
        left_out_findings.document,
        left_out_findings.row_key,
        left_out_findings.rule
    from left_out_findings
    inner join orders_in_turn
        on left_out_findings.legal_entity = orders_in_turn.legal_entity
            and left_out_findings.turn < orders_in_turn.turn
    anti join left_out
        on orders_in_turn.payment_order = left_out.payment_order
            and left_out_findings.employee = left_out.employee
            and left_out_findings.rule = left_out.rule
)

select
    open_findings.*,
    case
        when open_findings.last_run = $run::bigint and open_findings.fate <> 'left_out' then null
        when open_findings.fate = 'left_out' then if(settled_left_outs.row_key is not null, $run::bigint, null)
        when open_findings.fate in ('orphan', 'alone') and waiting_keys.row_key is not null then null
        else $run::bigint
    end as resolved_run
from open_findings
left join settled_left_outs
    on open_findings.fate = 'left_out'
        and open_findings.document = settled_left_outs.document
        and open_findings.row_key = settled_left_outs.row_key
        and open_findings.rule = settled_left_outs.rule
left join waiting_keys
    on open_findings.table_name = waiting_keys.table_name
        and open_findings.row_key = waiting_keys.row_key
        and open_findings.document is not distinct from waiting_keys.document
        and open_findings.version is not distinct from waiting_keys.version
        and open_findings.fate = waiting_keys.fate
