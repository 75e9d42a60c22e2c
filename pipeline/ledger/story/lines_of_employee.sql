-- The lines on an employee's accounts in a legal entity, third-party account and advances: one row per line.
-- In: stored_entry_lines. Out: story_lines. Spec: sections 5 and 7.
select * from stored_entry_lines
where
    legal_entity = $legal_entity
    and employee = $employee
    and role in ('employee', 'advance_one_time', 'advance_regular')
