-- The lines that the orders of this turn may pay: one row per (order, line).
-- In: round_candidates, round_blocked, open_lines. Out: round_eligible. Spec: section 6.
select
    round_candidates.payment_order,
    open_lines.*
from round_candidates
inner join open_lines on round_candidates.line_id = open_lines.line_id
anti join round_blocked on round_candidates.line_id = round_blocked.line_id
where not round_candidates.is_blocked
