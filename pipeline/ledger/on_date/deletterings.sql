-- The letterings dissolved by the end of a day: one row per lettering.
-- In: recorded_deletterings, the variable as_of_date. Out: stored_deletterings. Spec: section 5.
select * from recorded_deletterings
where delettered_on <= getvariable('as_of_date')
