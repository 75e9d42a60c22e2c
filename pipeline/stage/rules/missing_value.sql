-- A required cell that is empty.
-- In: missing_cells. Out: findings. Spec: sections 2 and 3.
select * from missing_cells
