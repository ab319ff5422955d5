-- The purge of requests' metadata.

-- name: set_purged_before
-- Records that requests which began before $1 have no rows; the time never moves back.
INSERT INTO metadata_purge (purged_before) VALUES ($1)
ON CONFLICT (one_row) DO UPDATE SET purged_before = excluded.purged_before WHERE metadata_purge.purged_before < excluded.purged_before

-- name: purge_requests
-- Deletes the requests with an id in [$1, $2) in the table's blocks from $3 up to $4; returns how many. A request whose entry is not yet in
-- the totals stays.
WITH gone AS (
    DELETE FROM request r WHERE id >= $1 AND id < $2 AND ctid >= $3 AND ctid < $4
        AND coalesce((SELECT e.seq FROM entry e WHERE e.id = r.id), 0) <= coalesce((SELECT m.seq FROM usage_mark m WHERE m.account_id = r.account_id), 0)
    RETURNING 1)
SELECT count(*) FROM gone

-- name: named_usage
-- Some accounts with hours before $1 that are still divided by key, model or provider.
SELECT DISTINCT account_id FROM (
    SELECT account_id FROM usage_hour
    WHERE hour < $1 AND (key_id <> '00000000-0000-0000-0000-000000000000' OR model <> '' OR provider <> '') ORDER BY hour LIMIT $2) x

-- name: strip_usage
-- Reduces an account's hours before $2 to requests and money; returns how many rows were deleted.
SELECT strip_usage($1, $2)

-- name: purge_stages
-- Deletes the totals of stages of work of days before $1.
DELETE FROM stage_day WHERE day < $1

-- name: purge_tasks
-- Deletes at most $2 closed tasks from before $1; returns how many.
WITH gone AS (
    DELETE FROM task WHERE request_id IN (
        SELECT request_id FROM task WHERE state <> 'open' AND created_at < $1 ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING 1)
SELECT count(*) FROM gone
