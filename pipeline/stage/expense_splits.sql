-- The splits of each expense's charge: one row per (expense, split).
-- combination: of the sections that it names, null where it names none that can be read.
-- In: split_names, combinations. Out: expense_splits. Spec: section 4, "Allocations".
select
    split_names.expense_id,
    split_names.split,
    split_names.percent,
    split_names.highest_percent,
    split_names.is_unreadable,
    split_names.is_named,
    combinations.combination
from split_names
left join combinations on split_names.named = combinations.named
