-- What is open on the employees' accounts, of a legal entity or (null) of all: one row per unlettered employee line.
-- In: stored_open_lines. Out: open_items (owed: to the employee; below 0 the employee owes it). Spec: section 5.
with

latest_lines as (
    select
        legal_entity,
        employee,
        document_kind,
        document,
        journal_code,
        fiscal_year,
        entry_number,
        line_number,
        entry_date,
        account,
        auxiliary,
        owed,
        is_open
    from stored_open_lines
    where $entity::varchar is null or legal_entity = $entity::varchar
    qualify
        row_number() over (
            partition by legal_entity, journal_code, fiscal_year, entry_number, line_number
            order by run desc
        ) = 1
)

select * exclude (is_open)
from latest_lines
where is_open
order by legal_entity, employee, entry_date, journal_code, fiscal_year, entry_number, line_number
