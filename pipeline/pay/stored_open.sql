-- The open lines of the legal entities in which this run pays: one row per line, as the ledger has it.
-- In: stored_open_lines, open_line_states. Out: stored_open. Spec: section 6.
select stored_open_lines.*
from stored_open_lines
semi join (
    select *
    from open_line_states
    where is_open
) as open_lines
    on stored_open_lines.legal_entity = open_lines.legal_entity
        and stored_open_lines.journal_code = open_lines.journal_code
        and stored_open_lines.fiscal_year = open_lines.fiscal_year
        and stored_open_lines.entry_number = open_lines.entry_number
        and stored_open_lines.line_number = open_lines.line_number
        and stored_open_lines.run = open_lines.run
where stored_open_lines.is_open
