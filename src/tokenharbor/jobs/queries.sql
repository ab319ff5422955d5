-- Jobs, each of which one gateway at a time does.

-- name: claim
-- The job is ours, and nobody else's for a time; no row comes back, and nothing is written, where it is not due.
INSERT INTO job (name, due_at, last_began_at, runs) SELECT $1, clock_timestamp() + $2, clock_timestamp(), 1
WHERE NOT EXISTS (SELECT FROM job WHERE name = $1 AND due_at > clock_timestamp())
ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at, last_began_at = excluded.last_began_at, runs = job.runs + 1
WHERE job.due_at <= clock_timestamp()
RETURNING name

-- name: ended
-- It has ended, by what fault if any; done, it is due again after a time, else when its claim ends.
UPDATE job SET last_ended_at = clock_timestamp(), fault = $2, due_at = coalesce(clock_timestamp() + $3, due_at) WHERE name = $1

-- name: make_due
-- Whoever looks first does it.
INSERT INTO job (name, due_at) VALUES ($1, '-infinity') ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at

-- name: runs
-- What each job did last.
SELECT name, runs, last_began_at, last_ended_at, fault FROM job
