-- Splits on a section, named or inherited, that the employee, their department and the legal entity may not use.
-- In: borne_sections, section_ancestors, section_rights, expense_splits, placed_expenses, employees, named_sections,
--     attached_allocations. Out: findings.
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

governed_combinations as (
    select
        borne_sections.combination,
        borne_sections.axis,
        borne_sections.section,
        borne_sections.number,
        governing_sections.governing_axis,
        governing_sections.governing_section
    from borne_sections
    inner join governing_sections
        on borne_sections.axis = governing_sections.axis and borne_sections.section = governing_sections.section
),

governed_splits as (
    select
        governed_combinations.*,
        expense_splits.expense_id,
        expense_splits.split,
        placed_expenses.row_id as expense_row,
        placed_expenses.employee,
        employees.department,
        placed_expenses.legal_entity,
        placed_expenses.incurred_on
    from governed_combinations
    inner join expense_splits on governed_combinations.combination = expense_splits.combination
    inner join placed_expenses on expense_splits.expense_id = placed_expenses.expense_id
    inner join employees on placed_expenses.employee = employees.employee
    where placed_expenses.is_known_entity
),

refused_splits as (
    select governed_splits.*
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
)

select
    'allocations' as table_name,
    min(attached_allocations.row_id) as row_id,
    refused_splits.axis as column_name,
    refused_splits.section as value,
    'employee ' || refused_splits.employee || ' may not allocate to section ' || refused_splits.section
    || ' of axis ' || refused_splits.axis || coalesce(' on ' || refused_splits.incurred_on, '')
    || ': choose another, or add a right to section_rights' as message
from refused_splits
inner join named_sections on refused_splits.number = named_sections.number
inner join attached_allocations
    on refused_splits.expense_id = attached_allocations.expense_id
        and refused_splits.split = attached_allocations.split
        and named_sections.axis = attached_allocations.axis
        and named_sections.section = attached_allocations.section
group by
    refused_splits.expense_row,
    refused_splits.split,
    refused_splits.axis,
    refused_splits.section,
    refused_splits.employee,
    refused_splits.incurred_on
