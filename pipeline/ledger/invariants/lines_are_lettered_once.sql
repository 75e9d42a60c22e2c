-- Lines in two letterings in force: one row per line.
-- In: letterings, lettering_lines. Out: violations. Spec: section 5.
select
    lettering_lines.legal_entity,
    lettering_lines.journal_code,
    lettering_lines.fiscal_year,
    lettering_lines.entry_number,
    lettering_lines.line_number,
    count(*) as letterings
from lettering_lines
inner join letterings
    on lettering_lines.legal_entity = letterings.legal_entity
        and lettering_lines.employee = letterings.employee
        and lettering_lines.lettering = letterings.lettering
where letterings.delettered_on is null
group by
    lettering_lines.legal_entity,
    lettering_lines.journal_code,
    lettering_lines.fiscal_year,
    lettering_lines.entry_number,
    lettering_lines.line_number
having count(*) > 1
