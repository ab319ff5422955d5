-- Jobs, each of which one gateway at a time does.

-- name: claim
-- The job is ours, and nobody else's for a time; no row comes back where it is not due.
INSERT INTO job (name, due_at) VALUES ($1, clock_timestamp() + $2)
ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at WHERE job.due_at <= clock_timestamp()
RETURNING name

-- name: done
-- It is done, and due again after a time.
UPDATE job SET due_at = clock_timestamp() + $2 WHERE name = $1
