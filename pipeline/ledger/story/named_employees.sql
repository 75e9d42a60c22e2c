-- The accounts of an employee's code: one row per legal entity in which there is one; a row without, where the code is
-- known to the reference or to the quarantine alone.
-- In: stored_employee_state, stored_reference, stored_reference_digests, employee_findings. Out: named_employees.
-- Spec: section 7.
with

accounts as (
    select distinct
        employee,
        legal_entity
    from stored_employee_state
    where
        employee = $what
        and ($legal_entity::varchar is null or legal_entity = $legal_entity)
),

referenced_employees as (
    select json_extract_string(row_json, '$.name') as name
    from stored_reference
    where
        table_name = 'employees'
        and json_extract_string(row_json, '$.employee') = $what
        and run = (
            select max(stored_reference_digests.run)
            from stored_reference_digests
            where stored_reference_digests.table_name = 'employees'
        )
),

known_employees as (
    select
        $what::varchar as employee,
        max(name) as name,
        count(*) + (select count(*) from employee_findings) as mentions
    from referenced_employees
)

select
    known_employees.employee,
    known_employees.name,
    accounts.legal_entity
from known_employees
left join accounts on known_employees.employee = accounts.employee
where
    accounts.employee is not null
    or (known_employees.mentions > 0 and $legal_entity::varchar is null)
order by accounts.legal_entity
