-- The lines that are open again after this turn's returns, with the returns' own: one row per line.
-- In: members, round_dissolved, entries, lines, round_returns. Out: rows of open_lines. Spec: section 5.
with

delettered as (
    select
        members.legal_entity,
        members.employee,
        members.entry_id,
        members.line_number,
        members.entry_date,
        members.document_kind,
        members.document,
        members.account,
        members.auxiliary,
        members.owed,
        members.reverses_entry_id,
        members.reverses,
        members.reverses_fiscal_year,
        members.lettering as last_lettering
    from members
    semi join round_dissolved
        on members.legal_entity = round_dissolved.legal_entity
            and members.employee = round_dissolved.employee
            and members.lettering = round_dissolved.lettering
),

contra_lines_of_returns as (
    select
        entries.legal_entity,
        entries.employee,
        entries.entry_id,
        lines.line_number,
        entries.entry_date,
        entries.document_kind,
        entries.document,
        lines.account,
        lines.auxiliary,
        (-lines.amount)::decimal(18, 4) as owed,
        entries.reverses_entry_id,
        entries.reverses,
        entries.reverses_fiscal_year,
        null::varchar as last_lettering
    from round_returns
    inner join entries on entries.reversal and round_returns.entry_id = entries.reverses_entry_id
    inner join lines on entries.entry_id = lines.entry_id
    where lines.role = 'employee'
),

reopened_lines as (
    select * from delettered
    union all
    select * from contra_lines_of_returns
)

select
    *,
    $last_line_id + row_number() over () as line_id
from reopened_lines
