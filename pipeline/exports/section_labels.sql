-- What the sections of an export are called: one row per (axis, section), in the language of the profile where the
-- reference has a name in it.
-- In: sections, section_names. Out: section_labels. Spec: section 6, "Exports".
select
    sections.axis,
    sections.section,
    coalesce(section_names.name, sections.name) as label
from sections
left join section_names
    on sections.axis = section_names.axis
        and sections.section = section_names.section
        and section_names.language = $language
order by sections.axis, sections.section
