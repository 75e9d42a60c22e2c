-- Employee accounts whose letterings are not AAA, AAB, … each used once: one row per code out of turn.
-- In: letterings, stored_employee_state. Out: violations. Spec: section 5.
with

turns as (
    select
        legal_entity,
        employee,
        lettering,
        row_number() over (
            partition by legal_entity, employee
            order by length(lettering), lettering
        ) as turn,
        count(*) over (partition by legal_entity, employee) as letterings
    from letterings
),

counts as (
    select
        legal_entity,
        employee,
        max(lettering_count) as lettering_count
    from stored_employee_state
    group by legal_entity, employee
)

select
    turns.legal_entity,
    turns.employee,
    turns.lettering,
    lettering_code(turns.turn) as expected
from turns
left join counts on turns.legal_entity = counts.legal_entity and turns.employee = counts.employee
where
    turns.lettering <> lettering_code(turns.turn)
    or counts.lettering_count is distinct from turns.letterings
