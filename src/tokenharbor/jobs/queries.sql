-- Jobs, each of which one gateway runs at a time.

-- name: claim
-- Claims a job for time $2; returns no row and writes nothing if it is not due.
INSERT INTO job (name, due_at, last_began_at, runs) SELECT $1, clock_timestamp() + $2, clock_timestamp(), 1
WHERE NOT EXISTS (SELECT FROM job WHERE name = $1 AND due_at > clock_timestamp())
ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at, last_began_at = excluded.last_began_at, runs = job.runs + 1
WHERE job.due_at <= clock_timestamp()
RETURNING name

-- name: ended
-- Records the end of a run and its fault, if any. The job is due again after $3, or if that is NULL when its claim ends.
UPDATE job SET last_ended_at = clock_timestamp(), fault = $2, due_at = coalesce(clock_timestamp() + $3, due_at) WHERE name = $1

-- name: make_due
-- Makes a job due; the first gateway that checks runs it.
INSERT INTO job (name, due_at) VALUES ($1, '-infinity') ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at

-- name: runs
-- The last run of each job.
SELECT name, runs, last_began_at, last_ended_at, fault FROM job
