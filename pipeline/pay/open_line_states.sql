-- How each line that was ever open stands, in the legal entities in which this run pays: one row per line.
-- It reads the key and the state alone; the rest is read of the lines that are open.
-- In: stored_open_lines, paying_entities. Out: open_line_states. Spec: section 6.
select
    stored_open_lines.legal_entity,
    stored_open_lines.journal_code,
    stored_open_lines.fiscal_year,
    stored_open_lines.entry_number,
    stored_open_lines.line_number,
    max(stored_open_lines.run) as run,
    arg_max(stored_open_lines.is_open, stored_open_lines.run) as is_open
from stored_open_lines
semi join paying_entities on stored_open_lines.legal_entity = paying_entities.legal_entity
where in_part(stored_open_lines.employee)
group by
    stored_open_lines.legal_entity,
    stored_open_lines.journal_code,
    stored_open_lines.fiscal_year,
    stored_open_lines.entry_number,
    stored_open_lines.line_number
