-- What ties lines together: one row per (line, tie) of a line that shares a tie with another.
-- Ties are an entry, with the contra-entry that takes it back, and a lettering dissolved since.
-- In: round_candidates. Out: round_ties. Spec: section 6.
with

ties as (
    select
        line_id,
        is_blocked,
        'entry ' || entry_id as tie
    from round_candidates

    union all

    select
        line_id,
        is_blocked,
        'entry ' || reverses_entry_id as tie
    from round_candidates
    where reverses_entry_id is not null

    union all

    select
        line_id,
        is_blocked,
        'lettering ' || last_lettering || ' ' || legal_entity || ' ' || employee as tie
    from round_candidates
    where last_lettering is not null
),

shared_ties as (
    select tie
    from ties
    group by tie
    having count(*) > 1
)

select ties.*
from ties
semi join shared_ties on ties.tie = shared_ties.tie
