-- Splits on a section, named or inherited, that the employee, their department and the legal entity may not use.
-- In: split_sections, section_ancestors, section_rights, placed_expenses, employees. Out: findings.
-- Spec: section 4, "Allocations" (a section without rights has those of the nearest section above that has some).
with

restricted_sections as (
    select distinct
        axis,
        section
    from section_rights
),

governing_sections as (
    select
        section_ancestors.axis,
        section_ancestors.section,
        arg_min(section_ancestors.ancestor_axis, section_ancestors.distance) as governing_axis,
        arg_min(section_ancestors.ancestor, section_ancestors.distance) as governing_section
    from section_ancestors
    inner join restricted_sections
        on section_ancestors.ancestor_axis = restricted_sections.axis
            and section_ancestors.ancestor = restricted_sections.section
    group by section_ancestors.axis, section_ancestors.section
),

governed_splits as (
    select
        split_sections.row_id,
        split_sections.axis,
        split_sections.section,
        governing_sections.governing_axis,
        governing_sections.governing_section,
        placed_expenses.employee,
        employees.department,
        placed_expenses.legal_entity,
        placed_expenses.incurred_on
    from split_sections
    inner join governing_sections
        on split_sections.axis = governing_sections.axis and split_sections.section = governing_sections.section
    inner join placed_expenses
        on split_sections.expense_id = placed_expenses.expense_id
    inner join employees on placed_expenses.employee = employees.employee
    where placed_expenses.is_known_entity
)

select
    'allocations' as table_name,
    governed_splits.row_id,
    governed_splits.axis as column_name,
    governed_splits.section as value,
    'employee ' || governed_splits.employee || ' may not allocate to section ' || governed_splits.section
    || ' of axis ' || governed_splits.axis || coalesce(' on ' || governed_splits.incurred_on, '')
    || ': choose another, or add a right to section_rights' as message
from governed_splits
anti join section_rights
    on governed_splits.governing_axis = section_rights.axis
        and governed_splits.governing_section = section_rights.section
        and (
            governed_splits.employee = section_rights.employee
            or governed_splits.department = section_rights.department
            or governed_splits.legal_entity = section_rights.legal_entity
        )
        -- A right that is over governs its section still: its end closes the section, it does not open it to all.
        and coalesce(governed_splits.incurred_on >= section_rights.valid_from, true)
        and coalesce(governed_splits.incurred_on <= section_rights.valid_to, true)
