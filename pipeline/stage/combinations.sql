-- The combinations of sections that splits name: one row per combination, numbered.
-- They are far fewer than the splits, so what a split bears is found out a combination at a time.
-- In: split_names. Out: combinations. Spec: section 4, "Allocations".
select
    named,
    row_number() over ()::integer as combination
from (
    select distinct named
    from split_names
    where named is not null
)
