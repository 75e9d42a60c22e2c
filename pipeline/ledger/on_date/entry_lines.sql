-- The entry lines of the books at the end of a day: one row per line.
-- In: recorded_entry_lines, the variable as_of_date. Out: stored_entry_lines. Spec: section 7.
select * from recorded_entry_lines
where entry_date <= getvariable('as_of_date')
